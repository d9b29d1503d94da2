"""Resource types: those of the built-in kinds, and those that definitions make."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from controller_runtime.envtest.apiserver.builtin import COMPONENTS, BuiltinKind, builtin_kinds
from controller_runtime.envtest.apiserver.columns import custom_columns
from controller_runtime.envtest.apiserver.crds.definition import ServedVersion
from controller_runtime.envtest.apiserver.crds.strategy import CustomStatusStrategy, CustomStrategy
from controller_runtime.envtest.apiserver.resources import ResourceType
from controller_runtime.envtest.apiserver.schema import Schema, compile_schema


def builtin_types(stored_services: Callable[[], Iterable[Mapping[str, Any]]]) -> Iterator[ResourceType]:
    """The types that are always served.

    Args:
        stored_services: gives all stored Services, which share addresses.
    """
    by_storage: dict[tuple[str, str], dict[str, ResourceType]] = {}
    for kind in builtin_kinds(stored_services):
        versions = by_storage.setdefault(kind.storage, {})
        type_ = _builtin_type(kind, versions)
        versions[type_.api_version] = type_
        yield type_


def _builtin_type(kind: BuiltinKind, versions: Mapping[str, ResourceType]) -> ResourceType:
    group, plural = kind.storage
    return ResourceType(
        group=kind.group,
        version=kind.version,
        kind=kind.kind,
        plural=kind.plural,
        singular=kind.singular,
        list_kind=kind.list_kind,
        namespaced=kind.namespaced,
        schema=_builtin_schema(kind.component),
        coerce=kind.coerce,
        empty=_empty(kind),
        strategy=kind.strategy,
        storage=f"{plural}.{group}" if group else plural,
        storage_version=kind.storage_version,
        short_names=kind.short_names,
        categories=kind.categories,
        columns=kind.columns,
        subresources=kind.subresources,
        to_storage=kind.to_storage,
        from_storage=kind.from_storage,
        versions=versions,
        returns_deleted=kind.returns_deleted,
        component=kind.component,
        verbs=kind.verbs,
        selectable_fields=kind.selectable,
    )


@functools.cache
def _builtin_schema(component: str) -> Schema:
    """The same for all servers of a process: tests make one each, and this would be half of its cost."""
    return compile_schema(COMPONENTS[component], COMPONENTS)


def _empty(kind: BuiltinKind) -> dict[str, Any]:
    decoded, _ = kind.coerce({"metadata": {}})
    return {name: value for name, value in decoded.items() if name not in ("apiVersion", "kind", "metadata")}


def custom_types(served: Iterable[ServedVersion]) -> Iterator[ResourceType]:
    """The types of the versions of one custom kind."""
    versions: dict[str, ResourceType] = {}
    for version in served:
        type_ = _custom_type(version, versions)
        versions[type_.api_version] = type_
        yield type_


def _custom_type(version: ServedVersion, versions: Mapping[str, ResourceType]) -> ResourceType:
    schema = compile_schema(version.schema)
    status = {"status": CustomStatusStrategy(version, schema)} if version.has_status else {}
    return ResourceType(
        group=version.group,
        version=version.version,
        kind=version.kind,
        plural=version.plural,
        singular=version.singular,
        list_kind=version.list_kind,
        namespaced=version.namespaced,
        schema=schema,
        coerce=_pruning(schema),
        strategy=CustomStrategy(version, schema),
        storage=f"{version.plural}.{version.group}",
        storage_version=f"{version.group}/{version.storage_version}",
        short_names=version.short_names,
        categories=version.categories,
        columns=custom_columns(version.columns),
        subresources=status,
        versions=versions,
        scale=version.scale,
        custom=True,
        published=version.published_schema,
        deprecation=version.deprecation_warning,
        selectable_fields={path: path for path in version.selectable_fields},
    )


def _pruning(schema: Schema) -> Callable[[dict[str, Any]], tuple[dict[str, Any], list[str]]]:
    def coerce(obj: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        return obj, schema.prune(obj)

    return coerce
