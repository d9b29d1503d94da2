"""What is served: resource types, and the registry that finds one by its URL."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from controller_runtime.envtest.apiserver.schema import Schema
from controller_runtime.envtest.apiserver.strategy import Strategy


def _as_it_is(obj: dict[str, Any]) -> dict[str, Any]:
    return obj


@dataclass(frozen=True, kw_only=True, eq=False)
class ResourceType:
    """One kind in one version, as it is served.

    Versions of one kind share `storage`: they are views of the same objects.
    """

    group: str
    version: str
    kind: str
    plural: str
    singular: str
    namespaced: bool
    schema: Schema
    coerce: Callable[[dict[str, Any]], tuple[dict[str, Any], list[str]]]
    """The object as it is decoded: unknown fields left out, and their paths."""
    empty: Mapping[str, Any] = field(default_factory=dict)
    """What an object consists of before anything is set."""
    strategy: Strategy
    """Takes objects in their stored form."""
    storage: str
    """Name of the stored form, the same for all versions: `secrets`, `widgets.example.com`."""
    storage_version: str
    """`apiVersion` of the stored form."""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    columns: Sequence[Any] = ()
    """What `table.table` takes."""
    subresources: Mapping[str, Strategy] = field(default_factory=dict)
    """Subresources that are views of the object itself (`status`, `finalize`), by name."""
    scale: Mapping[str, Any] | None = None
    """The scale subresource's paths; None without one."""
    to_storage: Callable[[dict[str, Any]], dict[str, Any]] = _as_it_is
    """From this version to the stored form, apiVersion and kind apart."""
    from_storage: Callable[[dict[str, Any]], dict[str, Any]] = _as_it_is
    """The other way round."""
    versions: Mapping[str, ResourceType] = field(default_factory=dict)
    """All versions of the kind that are served, by `apiVersion`."""
    returns_deleted: bool = False
    """Whether a deletion is answered with the object instead of a Status."""
    component: str = ""
    """Name of the schema among the components of built-in kinds."""
    published: Callable[[], dict[str, Any]] = dict
    """The schema of a custom kind for OpenAPI documents."""
    custom: bool = False
    """Whether a CustomResourceDefinition defines it."""
    verbs: tuple[str, ...] = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
    deprecation: str = ""
    """Said in a Warning header to whoever uses this version; empty for none."""
    selectable_fields: Mapping[str, str] | None = None
    """Fields that selectors may name besides those of metadata, with their keys in `strategy.fields()`; None: none."""

    @property
    def api_version(self) -> str:
        """`group/version`, or `version` alone in the core group."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def registry_prefix(self) -> str:
        """What the real server's keys begin with, as some of its messages show."""
        return f"{self.group}/{self.plural}" if self.custom else self.plural

    @property
    def base(self) -> str:
        """URL path of the group and version."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def convert(self, obj: dict[str, Any], api_version: str) -> dict[str, Any]:
        """An object of this version in another one."""
        stored = self.to_storage(obj)
        return {**self.versions[api_version].from_storage(stored), "apiVersion": api_version, "kind": self.kind}

    @property
    def qualified(self) -> str:
        """`plural.group`, as messages name it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


@dataclass
class Registry:
    """All resource types that are served at the moment."""

    _types: dict[tuple[str, str, str], ResourceType] = field(default_factory=dict)
    generation: int = 0
    """Counts the changes, so that what is derived can be kept until the next one."""

    def add(self, types: Iterable[ResourceType]) -> None:
        """Serves types, each in place of one of the same group, version and plural."""
        self._types |= {(each.group, each.version, each.plural): each for each in types}
        self.generation += 1

    def remove(self, storage: str) -> None:
        """Serves none of the versions of a kind any more."""
        self._types = {key: each for key, each in self._types.items() if each.storage != storage}
        self.generation += 1

    def get(self, group: str, version: str, plural: str) -> ResourceType | None:
        """The type at a URL."""
        return self._types.get((group, version, plural))

    def __iter__(self) -> Iterator[ResourceType]:
        """All types, in the order in which they were added."""
        return iter(self._types.values())

    def of_kind(self, api_version: str, kind: str) -> ResourceType | None:
        """The type of an owner reference: any version of the group will do."""
        group = api_version.rpartition("/")[0]
        return next((each for each in self if each.group == group and each.kind == kind), None)
