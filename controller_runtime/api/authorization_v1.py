"""Kinds of authorization.k8s.io/v1."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from controller_runtime.apimachinery.meta import APIStruct, Object, Resource


class NonResourceAttributes(APIStruct, frozen=True, kw_only=True, gc=False):
    """A request for a path that stands for no object."""

    path: str = ""
    verb: str = ""
    """HTTP method in lower case."""


class ResourceAttributes(APIStruct, frozen=True, kw_only=True, gc=False):
    """A request for objects."""

    namespace: str = ""
    verb: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    """Plural name."""
    subresource: str = ""
    name: str = ""
    """Empty: all."""


class SubjectAccessReviewSpec(APIStruct, frozen=True, kw_only=True, gc=False):
    """The question, about one of the two kinds of request."""

    resource_attributes: ResourceAttributes | None = None
    non_resource_attributes: NonResourceAttributes | None = None
    user: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = {}
    uid: str = ""


class SubjectAccessReviewStatus(APIStruct, frozen=True, kw_only=True, gc=False):
    """The answer."""

    allowed: bool = False
    denied: bool = False
    """Forbidden by somebody, beyond being allowed by nobody."""
    reason: str = ""
    evaluation_error: str = ""


class SubjectAccessReview(Object, frozen=True, kw_only=True, gc=False):
    """Asks whether somebody may do something; to be created, and never stored."""

    resource: ClassVar[Resource] = Resource(
        group="authorization.k8s.io",
        version="v1",
        kind="SubjectAccessReview",
        plural="subjectaccessreviews",
        namespaced=False,
    )

    spec: SubjectAccessReviewSpec = msgspec.field(default_factory=SubjectAccessReviewSpec)
    status: SubjectAccessReviewStatus = msgspec.field(default_factory=SubjectAccessReviewStatus)
