"""The scale subresource of custom kinds: a number of replicas, seen and set through autoscaling/v1 Scale."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.errors import FieldError, bad_request, conflict, invalid
from controller_runtime.envtest.apiserver.resources import ResourceType

_METADATA: Final = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")


class Scale:
    """The scale of one kind of objects.

    Args:
        type_: a kind with paths of its scale.
    """

    def __init__(self, type_: ResourceType) -> None:
        assert type_.scale is not None
        self._type = type_
        self._replicas = _path(type_.scale["specReplicasPath"])
        self._present = _path(type_.scale["statusReplicasPath"])
        self._selector = _path(type_.scale.get("labelSelectorPath") or "")

    def of(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        """The Scale of an object."""
        metadata = obj["metadata"]
        status = {"replicas": _get(obj, self._present) or 0}
        if self._selector and (selector := _get(obj, self._selector)):
            status["selector"] = selector
        return {
            "kind": "Scale",
            "apiVersion": "autoscaling/v1",
            "metadata": {name: metadata[name] for name in _METADATA if name in metadata},
            "spec": {"replicas": _get(obj, self._replicas) or 0},
            "status": status,
        }

    def patch(self, change: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], dict[str, Any]]:
        """From a change of an object's Scale to one of the object.

        Raises (when it is applied):
            StatusError: 400, 409, 422.
        """

        def patched(obj: dict[str, Any]) -> dict[str, Any]:
            wanted = change(self.of(obj))
            if not isinstance(wanted, dict) or wanted.get("kind") not in (None, "", "Scale"):
                raise bad_request("the body has to be a Scale")
            name, version = obj["metadata"]["name"], obj["metadata"]["resourceVersion"]
            asked = (wanted.get("metadata") or {}).get("resourceVersion")
            if asked and asked != version:
                raise conflict(self._type.group, self._type.plural, name)
            replicas = (wanted.get("spec") or {}).get("replicas") or 0
            if not isinstance(replicas, int) or isinstance(replicas, bool):
                raise bad_request("json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas of type int32")
            if replicas < 0:
                field = "." + ".".join(self._replicas)
                text = f"Invalid value: {replicas}: should be a non-negative integer"
                raise invalid(self._type.group, self._type.kind, name, [FieldError("FieldValueInvalid", field, text)])
            _set(obj, self._replicas, replicas)
            return obj

        return patched


def _path(text: str) -> list[str]:
    return [name for name in text.split(".") if name]


def _get(obj: Any, path: list[str]) -> Any:
    for name in path:
        obj = obj.get(name) if isinstance(obj, Mapping) else None
    return obj


def _set(obj: dict[str, Any], path: list[str], value: Any) -> None:
    for name in path[:-1]:
        obj = obj.setdefault(name, {})
    obj[path[-1]] = value
