"""The dynamic client of the package `kubernetes`: discovery, server-side apply, patches, watches."""

import json
import sys

from kubernetes import config, dynamic
from kubernetes.client import api_client
from kubernetes.dynamic.exceptions import ConflictError

namespace = sys.argv[1]
client = dynamic.DynamicClient(api_client.ApiClient(configuration=config.load_kube_config() or None))
gadgets = client.resources.get(api_version="clients.example.com/v1", kind="Gadget")
configmaps = client.resources.get(api_version="v1", kind="ConfigMap")
assert (gadgets.name, gadgets.namespaced) == ("gadgets", True)

body = {"apiVersion": "clients.example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": {"size": 2}}
created = gadgets.create(body=body, namespace=namespace)
assert created.spec.size == 2
assert gadgets.get(name="g", namespace=namespace).metadata.uid == created.metadata.uid
merged = gadgets.patch(
    body={"metadata": {"name": "g"}, "spec": {"size": 3}},
    namespace=namespace,
    content_type="application/merge-patch+json",
)
assert merged.spec.size == 3
gadgets.status.patch(
    body={"metadata": {"name": "g"}, "status": {"phase": "Done"}},
    name="g",
    namespace=namespace,
    content_type="application/merge-patch+json",
)
assert gadgets.get(name="g", namespace=namespace).status.phase == "Done"

applied = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"k": "1"}}
configmaps.server_side_apply(body=applied, namespace=namespace, field_manager="first")
try:
    configmaps.server_side_apply(
        body={**applied, "data": {"k": "2"}}, name="c", namespace=namespace, field_manager="second"
    )
except ConflictError as error:
    conflict = json.loads(error.body)
assert conflict["message"] == 'Apply failed with 1 conflict: conflict with "first": .data.k'
forced = configmaps.server_side_apply(
    body={**applied, "data": {"k": "2"}}, name="c", namespace=namespace, field_manager="second", force_conflicts=True
)
assert forced.data.k == "2"

version = gadgets.get(namespace=namespace).metadata.resourceVersion
gadgets.delete(name="g", namespace=namespace)
for event in gadgets.watch(namespace=namespace, resource_version=version, timeout=30):
    assert (event["type"], event["object"].metadata.name) == ("DELETED", "g")
    break
assert not gadgets.get(namespace=namespace).items
