"""The generated client of the package `kubernetes`: typed objects, errors, pages, status."""

import contextlib
import json
import sys
from collections.abc import Iterator

from kubernetes import client, config

namespace = sys.argv[1]
config.load_kube_config()
core = client.CoreV1Api()
objects = client.CustomObjectsApi()
gadgets = ("clients.example.com", "v1", namespace, "gadgets")


@contextlib.contextmanager
def refused(status: int, reason: str) -> Iterator[None]:
    """What happens in the block is to be refused."""
    try:
        yield
    except client.ApiException as error:
        found = error.status, json.loads(error.body)["reason"]
    else:
        found = 200, ""
    if found != (status, reason):
        raise SystemExit(f"{found} instead of {status} {reason}")


created = core.create_namespaced_config_map(
    namespace, client.V1ConfigMap(metadata=client.V1ObjectMeta(name="a", labels={"x": "1"}), data={"k": "1"})
)
stale = core.read_namespaced_config_map("a", namespace)
assert stale.metadata.uid == created.metadata.uid
patched = core.patch_namespaced_config_map("a", namespace, {"data": {"k": "2"}})
assert patched.data == {"k": "2"}
with refused(409, "Conflict"):
    core.replace_namespaced_config_map("a", namespace, stale)

for number in range(5):
    metadata = client.V1ObjectMeta(name=f"p{number}", labels={"page": "yes"})
    core.create_namespaced_config_map(namespace, client.V1ConfigMap(metadata=metadata))
names, token = [], None
while token != "":
    page = core.list_namespaced_config_map(namespace, label_selector="page", limit=2, _continue=token)
    names += [item.metadata.name for item in page.items]
    token = page.metadata._continue or ""
assert names == [f"p{number}" for number in range(5)], names
core.delete_collection_namespaced_config_map(namespace, label_selector="page")
assert [item.metadata.name for item in core.list_namespaced_config_map(namespace).items] == ["a"]

secret = core.create_namespaced_secret(
    namespace, client.V1Secret(metadata=client.V1ObjectMeta(name="s"), string_data={"k": "v"})
)
assert secret.data == {"k": "dg=="}
spec = client.V1ServiceSpec(ports=[client.V1ServicePort(port=80)])
service = core.create_namespaced_service(namespace, client.V1Service(metadata=client.V1ObjectMeta(name="s"), spec=spec))
assert service.spec.cluster_ip
core.delete_namespaced_config_map("a", namespace)
with refused(404, "NotFound"):
    core.read_namespaced_config_map("a", namespace)

gadget = {"apiVersion": "clients.example.com/v1", "kind": "Gadget", "metadata": {"name": "g"}, "spec": {}}
assert objects.create_namespaced_custom_object(*gadgets, gadget)["spec"] == {"size": 1}
status = objects.patch_namespaced_custom_object_status(*gadgets, "g", {"status": {"phase": "Done"}})
assert (status["status"], status["metadata"]["generation"]) == ({"phase": "Done"}, 1)
assert [item["metadata"]["name"] for item in objects.list_namespaced_custom_object(*gadgets)["items"]] == ["g"]
objects.delete_namespaced_custom_object(*gadgets, "g")

assert client.VersionApi().get_code().major == "1"
assert "clients.example.com" in [group.name for group in client.ApisApi().get_api_versions().groups]
answer = client.AuthorizationV1Api().create_self_subject_access_review(
    client.V1SelfSubjectAccessReview(
        spec=client.V1SelfSubjectAccessReviewSpec(
            resource_attributes=client.V1ResourceAttributes(verb="get", resource="secrets", namespace=namespace)
        )
    )
)
assert answer.status.allowed
