"""The types under every object: resource identity, metadata, owner references, conditions."""

from __future__ import annotations

import functools
import inspect
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, NoReturn, cast

import msgspec


class NamespacedName(NamedTuple):
    """Identity of an object within its kind; `namespace` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """`namespace/name`, or `name` alone without a namespace, as client-go writes keys."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True)
class Resource:
    """How a kind is addressed: group, version and kind (GVK) together with the REST resource that serves it."""

    group: str
    """API group; empty for the core group."""
    version: str
    kind: str
    plural: str
    """Name of the REST resource in URLs, in lower case (`ipxebootconfigs`)."""
    namespaced: bool = True
    install: str = ""
    """The command that makes a cluster serve the kind, for the message where it does not."""

    @property
    def api_version(self) -> str:
        """`group/version`, or `version` alone for the core group: the `apiVersion` of objects and owner references."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified_plural(self) -> str:
        """`plural.group` as `kubectl get` and CRD names write it; `plural` alone for the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """URL path of the collection, of one object, or of a subresource of it.

        An empty namespace addresses the whole cluster. Parts are taken as they are: Kubernetes' own rules for names
        leave nothing to escape.
        """
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace and self.namespaced:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


class APIStruct(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False):
    """What all parts of API objects share: frozen, camelCase in JSON, absent where a field has its default.

    `gc=False` keeps them out of the cycle collector: decoded JSON cannot contain cycles, and a cache of 40,000 objects
    would otherwise be walked on every full collection.
    """


class OwnerReference(APIStruct, frozen=True, kw_only=True, gc=False):
    """Names the object that an object belongs to; the owner's deletion deletes the dependant."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool = False
    block_owner_deletion: bool = False

    @property
    def group(self) -> str:
        """API group of the owner; empty for the core group."""
        return self.api_version.rpartition("/")[0]


class ObjectMeta(APIStruct, frozen=True, kw_only=True, gc=False):
    """metav1.ObjectMeta without `managedFields`, which is often larger than the object and which nothing here reads.

    An update without managedFields leaves those of the server as they are.
    """

    name: str = ""
    generate_name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()


class Condition(APIStruct, frozen=True, kw_only=True, gc=False):
    """metav1.Condition: one observed aspect of an object's state.

    `last_transition_time` has whole seconds, as metav1.Time has.
    """

    type: str
    status: str
    """`True`, `False` or `Unknown`."""
    reason: str = msgspec.field(default_factory=str)
    """CamelCase identifier for programs; the CRDs demand at least one character."""
    message: str = msgspec.field(default_factory=str)
    """For people; like `reason` a required field, so it is written even where it is empty (a factory's default is)."""
    last_transition_time: datetime | None = None
    observed_generation: int = 0


_NEEDED = "needs `resource: ClassVar[Resource] = Resource(...)`, which says how the kind is addressed"


class _Unnamed:
    """In place of the resource that a class does not name, which is a mistake only once somebody asks for it."""

    def __get__(self, obj: object, owner: type) -> NoReturn:
        raise AttributeError(f"{owner.__qualname__} {_NEEDED}")


class Object(APIStruct, frozen=True, kw_only=True, gc=False):
    """Base of every kind.

    A subclass names its resource:

        class Secret(Object, frozen=True, kw_only=True, gc=False):
            resource: ClassVar[Resource] = Resource(group="", version="v1", kind="Secret", plural="secrets")
            data: dict[str, bytes] = {}

    Raises:
        TypeError: of a subclass, `resource` is a field: its annotation is no `ClassVar`.
        AttributeError: of a subclass that names none, when its resource is asked for.
    """

    resource: ClassVar[Resource] = cast("Resource", _Unnamed())
    partial: ClassVar[bool] = False
    """True for a type that models only a part of its kind. Writing it whole would erase the rest, so
    `Client.create` and `Client.update` refuse it; patch or apply instead."""

    metadata: ObjectMeta = msgspec.field(default_factory=ObjectMeta)

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuses a resource that would be a part of each object."""
        super().__init_subclass__(**options)
        annotation = inspect.get_annotations(cls).get("resource", "ClassVar")
        if "ClassVar" not in (annotation if isinstance(annotation, str) else repr(annotation)):
            raise TypeError(f"{cls.__qualname__} {_NEEDED}")

    @property
    def key(self) -> NamespacedName:
        """Namespace and name."""
        return NamespacedName(self.metadata.namespace, self.metadata.name)

    @property
    def controller_owner(self) -> OwnerReference | None:
        """The owner reference marked as the controller, if there is one."""
        return next((ref for ref in self.metadata.owner_references if ref.controller), None)


class PartialObjectMetadata(Object, frozen=True, kw_only=True, gc=False):
    """Only the metadata of an object; `metadata_of(Kind)` makes the class that stands for one kind."""

    partial: ClassVar[bool] = True


@functools.cache
def metadata_of(kind: type[Object]) -> type[PartialObjectMetadata]:
    """The class under which metadata-only informers and reads of `kind` go; the same class for the same kind.

    The API server then sends metadata alone (`PartialObjectMetadata`), which for Secrets keeps their data out of this
    process.
    """
    if issubclass(kind, PartialObjectMetadata):
        return kind
    made = msgspec.defstruct(
        f"{kind.__name__}Metadata",
        [],
        bases=(PartialObjectMetadata,),
        module=kind.__module__,
        namespace={"__doc__": f"Metadata of {kind.resource.kind}.", "resource": kind.resource},
        frozen=True,
        kw_only=True,
        gc=False,
    )
    return cast("type[PartialObjectMetadata]", made)
