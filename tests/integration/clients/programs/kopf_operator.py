"""An operator by kopf: each Gadget gets a ConfigMap, which it owns, and says how large it is."""

import sys
from typing import Any

import kopf
from kubernetes import client, config

GADGETS = ("clients.example.com", "v1", "gadgets")


@kopf.on.startup()
def configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    config.load_kube_config()
    settings.posting.level = 20


@kopf.on.create(*GADGETS)
def create(body: kopf.Body, name: str, namespace: str, spec: kopf.Spec, **_: Any) -> dict[str, Any]:
    child = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"size": str(spec["size"])}}
    kopf.adopt(child, owner=body)
    client.CoreV1Api().create_namespaced_config_map(namespace, child)
    kopf.info(body, reason="Made", message=f"made {name}")
    return {"size": spec["size"]}


@kopf.on.update(*GADGETS, field="spec.size")
def update(name: str, namespace: str, new: Any, **_: Any) -> dict[str, Any]:
    client.CoreV1Api().patch_namespaced_config_map(name, namespace, {"data": {"size": str(new)}})
    return {"size": new}


@kopf.on.delete(*GADGETS)
def delete(name: str, namespace: str, **_: Any) -> None:
    mark = client.V1ConfigMap(metadata=client.V1ObjectMeta(name=f"{name}-was-deleted"))
    client.CoreV1Api().create_namespaced_config_map(namespace, mark)


kopf.configure(verbose=True)
kopf.run(standalone=True, namespaces=[sys.argv[1]])
