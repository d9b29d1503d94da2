"""Informer and watch of the package `kubernetes`."""

import queue
import sys

from kubernetes import client, config, watch
from kubernetes.informer.informer import ADDED, DELETED, MODIFIED, SharedInformer

namespace = sys.argv[1]
config.load_kube_config()
core = client.CoreV1Api()


def configmap(name: str, **data: str) -> client.V1ConfigMap:
    return client.V1ConfigMap(metadata=client.V1ObjectMeta(name=name, labels={"of": "informer"}), data=data)


core.create_namespaced_config_map(namespace, configmap("before"))
told: queue.Queue[tuple[str, str]] = queue.Queue()
informer = SharedInformer(core.list_namespaced_config_map, namespace=namespace, label_selector="of=informer")
for kind in (ADDED, MODIFIED, DELETED):
    informer.add_event_handler(kind, lambda obj, kind=kind: told.put((kind, obj.metadata.name)))
informer.start()
assert told.get(timeout=30) == (ADDED, "before")
core.create_namespaced_config_map(namespace, configmap("during"))
assert told.get(timeout=30) == (ADDED, "during")
core.patch_namespaced_config_map("during", namespace, {"data": {"k": "v"}})
assert told.get(timeout=30) == (MODIFIED, "during")
assert informer.cache.get_by_key(f"{namespace}/during").data == {"k": "v"}
core.delete_namespaced_config_map("before", namespace)
assert told.get(timeout=30) == (DELETED, "before")
assert informer.cache.list_keys() == [f"{namespace}/during"]

# A watch that begins with what there is, and ends by the server's clock.
seen = watch.Watch().stream(core.list_namespaced_config_map, namespace, timeout_seconds=1)
assert [(event["type"], event["object"].metadata.name) for event in seen] == [("ADDED", "during")]

# One that is told to stop by whoever reads it.
reader = watch.Watch()
version = core.list_namespaced_config_map(namespace).metadata.resource_version
core.delete_namespaced_config_map("during", namespace)
for event in reader.stream(core.list_namespaced_config_map, namespace, resource_version=version):
    assert (event["type"], event["object"].metadata.name) == ("DELETED", "during")
    reader.stop()
assert told.get(timeout=30) == (DELETED, "during")
sys.stdout.flush()
# The informer's own watch would only end with its next event.
raise SystemExit(0)
