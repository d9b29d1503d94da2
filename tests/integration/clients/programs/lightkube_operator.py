"""An operator by lightkube: each Gadget gets a ConfigMap by server-side apply, and a status."""

import sys

from lightkube import Client
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta, OwnerReference
from lightkube.resources.core_v1 import ConfigMap
from lightkube.types import PatchType

namespace = sys.argv[1]
Gadget = create_namespaced_resource("clients.example.com", "v1", "Gadget", "gadgets")
client = Client(namespace=namespace, field_manager="lightkube-operator")

for operation, gadget in client.watch(Gadget, namespace=namespace):
    print(operation, gadget.metadata.name, flush=True)
    if operation == "DELETED":
        continue
    name, size = gadget.metadata.name, str(gadget.spec["size"])
    owner = OwnerReference(
        apiVersion=gadget.apiVersion, kind=gadget.kind, name=name, uid=gadget.metadata.uid, controller=True
    )
    client.apply(ConfigMap(metadata=ObjectMeta(name=name, ownerReferences=[owner]), data={"size": size}), force=True)
    if (gadget.status or {}).get("size") != size:
        client.patch(Gadget.Status, name, {"status": {"size": size}}, patch_type=PatchType.MERGE)
