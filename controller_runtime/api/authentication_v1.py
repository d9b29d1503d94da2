"""Kinds of authentication.k8s.io/v1."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from controller_runtime.apimachinery.meta import APIStruct, Object, Resource


class UserInfo(APIStruct, frozen=True, kw_only=True, gc=False):
    """Somebody that the API server knows."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = {}
    """What the authenticator told beyond that."""


class TokenReviewSpec(APIStruct, frozen=True, kw_only=True, gc=False):
    """The question; `repr` does not show the token."""

    token: str = ""
    audiences: tuple[str, ...] = ()
    """Whom the token is meant for; empty: the API server."""

    def __repr__(self) -> str:
        return f"TokenReviewSpec(token=..., audiences={self.audiences})"


class TokenReviewStatus(APIStruct, frozen=True, kw_only=True, gc=False):
    """The answer."""

    authenticated: bool = False
    user: UserInfo = msgspec.field(default_factory=UserInfo)
    audiences: tuple[str, ...] = ()
    error: str = ""
    """Why the token is not accepted."""


class TokenReview(Object, frozen=True, kw_only=True, gc=False):
    """Asks whose a bearer token is; to be created, and never stored."""

    resource: ClassVar[Resource] = Resource(
        group="authentication.k8s.io", version="v1", kind="TokenReview", plural="tokenreviews", namespaced=False
    )

    spec: TokenReviewSpec = msgspec.field(default_factory=TokenReviewSpec)
    status: TokenReviewStatus = msgspec.field(default_factory=TokenReviewStatus)
