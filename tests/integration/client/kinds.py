"""The kinds that these tests read and write."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec

from controller_runtime.apimachinery import Condition, Object, Resource
from controller_runtime.apimachinery.meta import APIStruct


class WidgetSpec(APIStruct, frozen=True, kw_only=True, gc=False):
    """What is wished for."""

    size: int = 0


class WidgetStatus(APIStruct, frozen=True, kw_only=True, gc=False):
    """What is."""

    size: int = 0
    conditions: tuple[Condition, ...] = ()


class Widget(Object, frozen=True, kw_only=True, gc=False):
    """The kind of widgets.yaml."""

    resource: ClassVar[Resource] = Resource(group="client.example.com", version="v1", kind="Widget", plural="widgets")

    spec: WidgetSpec = msgspec.field(default_factory=WidgetSpec)
    status: WidgetStatus = msgspec.field(default_factory=WidgetStatus)


class Unserved(Object, frozen=True, kw_only=True, gc=False):
    """A kind whose CRD nobody installed."""

    resource: ClassVar[Resource] = Resource(
        group="absent.example.com", version="v1", kind="Unserved", plural="unserved"
    )


class ScaleSpec(APIStruct, frozen=True, kw_only=True, gc=False):
    """The wish of a Scale."""

    replicas: int = 0


class Scale(Object, frozen=True, kw_only=True, gc=False):
    """The body of `scale`, whatever is scaled."""

    resource: ClassVar[Resource] = Resource(group="autoscaling", version="v1", kind="Scale", plural="scales")

    spec: ScaleSpec = msgspec.field(default_factory=ScaleSpec)


class ServiceAccount(Object, frozen=True, kw_only=True, gc=False):
    """An account of programs."""

    resource: ClassVar[Resource] = Resource(group="", version="v1", kind="ServiceAccount", plural="serviceaccounts")


class TokenRequestSpec(APIStruct, frozen=True, kw_only=True, gc=False):
    """What kind of token."""

    audiences: tuple[str, ...] = ()
    expiration_seconds: int = 3600


class TokenRequestStatus(APIStruct, frozen=True, kw_only=True, gc=False):
    """The token."""

    token: str = ""


class TokenRequest(Object, frozen=True, kw_only=True, gc=False):
    """The body of `token` of a ServiceAccount."""

    resource: ClassVar[Resource] = Resource(
        group="authentication.k8s.io", version="v1", kind="TokenRequest", plural="tokenrequests"
    )

    spec: TokenRequestSpec = msgspec.field(default_factory=TokenRequestSpec)
    status: TokenRequestStatus = msgspec.field(default_factory=TokenRequestStatus)


class Deployment(Object, frozen=True, kw_only=True, gc=False):
    """A kind of Kubernetes that can be scaled."""

    resource: ClassVar[Resource] = Resource(group="apps", version="v1", kind="Deployment", plural="deployments")

    spec: dict[str, Any] = {}


class Pod(Object, frozen=True, kw_only=True, gc=False):
    """A kind that can be evicted."""

    resource: ClassVar[Resource] = Resource(group="", version="v1", kind="Pod", plural="pods")

    spec: dict[str, Any] = {}


class Eviction(Object, frozen=True, kw_only=True, gc=False):
    """The body of `eviction` of a Pod."""

    resource: ClassVar[Resource] = Resource(group="policy", version="v1", kind="Eviction", plural="evictions")
