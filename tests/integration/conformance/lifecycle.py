"""CRDs that tests make for themselves."""

from __future__ import annotations

from typing import Any

from tests.integration.conformance.rest import Api, eventually

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def crd(group: str, plural: str = "things", **version: Any) -> dict[str, Any]:
    """Return the CRD of a cluster-scoped kind with one version, v1, whose schema takes anything.

    Args:
        group: Nobody else's.
        plural: Of the kind, whose name it is made from.
        version: Added to the version, or put in the place of what is there.
    """
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Cluster",
            "names": {"plural": plural, "kind": plural[:-1].capitalize()},
            "versions": [{"name": "v1", "served": True, "storage": True, "schema": schema, **version}],
        },
    }


def condition(body: Any, kind: str) -> tuple[str, str, str] | None:
    """Return status, reason and message of a CRD's condition."""
    for found in body.get("status", {}).get("conditions") or ():
        if found["type"] == kind:
            return found["status"], found["reason"], found["message"]
    return None


def established(body: Any) -> bool:
    """Whether a CRD says that it is served."""
    found = condition(body, "Established")
    return found is not None and found[0] == "True"


def install(api: Api, document: dict[str, Any]) -> None:
    """Create a CRD and return when each of its versions is served."""
    api.create(CRDS, document)
    api.until(f"{CRDS}/{document['metadata']['name']}", established)
    spec = document["spec"]
    for version in spec["versions"]:
        if version["served"]:
            path = f"/apis/{spec['group']}/{version['name']}/{spec['names']['plural']}"
            # The handler hears of a CRD by a watch of its own, which may be behind ours.
            answers(api, path, 200)


def answers(api: Api, path: str, status: int) -> None:
    """Return when a GET has this code."""
    eventually(lambda: api.get(path).status, lambda found: found == status)


def refuses(api: Api, collection: str, document: dict[str, Any]) -> None:
    """Return when a collection refuses an object, which a changed schema is known by."""
    eventually(lambda: api.post(collection, document, dryRun="All").status, lambda status: status == 422)
