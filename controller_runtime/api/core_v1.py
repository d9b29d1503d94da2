"""Kinds of the core group, version v1."""

from __future__ import annotations

from typing import ClassVar

from controller_runtime.apimachinery.meta import APIStruct, Object, Resource


class Secret(Object, frozen=True, kw_only=True, gc=False):
    """Bytes by key; JSON carries them in base64, `data` holds them decoded, and `repr` shows the keys alone."""

    resource: ClassVar[Resource] = Resource(group="", version="v1", kind="Secret", plural="secrets")

    data: dict[str, bytes] = {}
    type: str = ""
    immutable: bool | None = None

    def __repr__(self) -> str:
        return f"Secret({self.key}, keys={sorted(self.data)}, type={self.type!r})"


class ObjectReference(APIStruct, frozen=True, kw_only=True, gc=False):
    """Names an object of any kind, as Events do."""

    api_version: str = ""
    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: str = ""
    field_path: str = ""

    @classmethod
    def to(cls, obj: Object) -> ObjectReference:
        """A reference to that object as it is now."""
        resource, metadata = type(obj).resource, obj.metadata
        return cls(
            api_version=resource.api_version,
            kind=resource.kind,
            namespace=metadata.namespace,
            name=metadata.name,
            uid=metadata.uid,
            resource_version=metadata.resource_version,
        )
