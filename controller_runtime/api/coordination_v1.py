"""Kinds of coordination.k8s.io/v1."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from controller_runtime.apimachinery.meta import APIStruct, Object, Resource


class LeaseSpec(APIStruct, frozen=True, kw_only=True, gc=False):
    """Who holds the lease and until when; times are metav1.MicroTime texts (see `format_micro_time`)."""

    holder_identity: str = ""
    lease_duration_seconds: int = 0
    acquire_time: str = ""
    renew_time: str = ""
    lease_transitions: int = 0
    strategy: str = ""
    preferred_holder: str = ""


class Lease(Object, frozen=True, kw_only=True, gc=False):
    """The lock of leader election."""

    resource: ClassVar[Resource] = Resource(group="coordination.k8s.io", version="v1", kind="Lease", plural="leases")

    spec: LeaseSpec = msgspec.field(default_factory=LeaseSpec)
