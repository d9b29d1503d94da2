"""Schemas of coordination.k8s.io/v1: the Lease."""

from __future__ import annotations

from typing import Final

from controller_runtime.envtest.apiserver.builtin.components.terms import (
    Schema,
    embedded,
    integer,
    kind,
    kind_list,
    micro_time,
    struct,
    text,
)

COORDINATION: Final = "io.k8s.api.coordination.v1"

COMPONENTS: Final[dict[str, Schema]] = {
    f"{COORDINATION}.Lease": kind(
        "coordination.k8s.io",
        "v1",
        "Lease",
        "Who leads, or who is alive.",
        {"spec": embedded(f"{COORDINATION}.LeaseSpec", "Holder and times.")},
    ),
    f"{COORDINATION}.LeaseSpec": struct(
        "Holder and times of a lease.",
        {
            "acquireTime": micro_time("Since when the holder holds it."),
            "holderIdentity": text("Who holds it; empty if nobody does."),
            "leaseDurationSeconds": integer("Seconds after `renewTime` for which others must wait."),
            "leaseTransitions": integer("How often the holder changed."),
            "preferredHolder": text("To whom the holder should yield; needs `strategy`."),
            "renewTime": micro_time("When the holder last renewed it."),
            "strategy": text("How a holder is picked, where the server coordinates the election."),
        },
    ),
    f"{COORDINATION}.LeaseList": kind_list("coordination.k8s.io", "v1", "Lease", f"{COORDINATION}.Lease"),
}
