"""OpenAPI v3 documents, one of each group and version, made from the schemas of its kinds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.builtin.components import COMPONENTS
from controller_runtime.envtest.apiserver.discovery import VERSION
from controller_runtime.envtest.apiserver.resources import ResourceType
from controller_runtime.envtest.apiserver.schema.object_meta import OBJECT_META_OPENAPI

_META: Final = "io.k8s.apimachinery.pkg.apis.meta.v1"
REFERENCE: Final = "#/components/schemas/"
_MEDIA_TYPES: Final = ("application/json", "application/yaml")
_PATCH_TYPES: Final = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)
_TEXT: Final = {"type": "string", "uniqueItems": True}
_FLAG: Final = {"type": "boolean", "uniqueItems": True}
_NUMBER: Final = {"type": "integer", "uniqueItems": True}
_PRETTY: Final = ("pretty", _TEXT, "If 'true', the answer is indented.")
_DRY_RUN: Final = ("dryRun", _TEXT, "'All': do everything but store the result.")
_MANAGER: Final = ("fieldManager", _TEXT, "Name of the field manager.")
_VALIDATION: Final = ("fieldValidation", _TEXT, "What unknown and repeated fields are: Ignore, Warn or Strict.")
_FORCE: Final = ("force", _FLAG, "Take fields from other managers; for apply only.")
_WRITE: Final = (_DRY_RUN, _MANAGER, _VALIDATION)
_LIST: Final = (
    ("allowWatchBookmarks", _FLAG, "Send bookmarks in a watch."),
    ("continue", _TEXT, "Token of the next page."),
    ("fieldSelector", _TEXT, "Limits the answer by fields."),
    ("labelSelector", _TEXT, "Limits the answer by labels."),
    ("limit", _NUMBER, "Most objects of one page."),
    ("resourceVersion", _TEXT, "Which version of the collection."),
    ("resourceVersionMatch", _TEXT, "How that version is meant."),
    ("sendInitialEvents", _FLAG, "Begin a watch with the present objects."),
    ("timeoutSeconds", _NUMBER, "How long a watch may last."),
    ("watch", _FLAG, "Watch instead of list."),
)
_DELETE: Final = (
    _DRY_RUN,
    ("gracePeriodSeconds", _NUMBER, "Seconds granted to an orderly end."),
    ("orphanDependents", _FLAG, "Deprecated: use propagationPolicy."),
    ("propagationPolicy", _TEXT, "What becomes of dependants: Orphan, Background or Foreground."),
)


def document(types: Iterable[ResourceType]) -> dict[str, Any]:
    """The document of one group and version."""
    schemas: dict[str, Any] = {}
    paths: dict[str, Any] = {}
    for type_ in types:
        name, schema = _schema(type_)
        schemas[name] = schema
        schemas[f"{name}List"] = _list_schema(type_, name)
        paths |= _paths(type_, name)
    _add_referenced(schemas)
    return _document(paths, schemas)


def discovery_document(path: str) -> dict[str, Any]:
    """The document of a path that tells what is below it."""
    answer = {"200": {"description": "OK", "content": {"application/json": {"schema": {"type": "object"}}}}}
    return _document({path: {"get": {"description": "Tells what is served here.", "responses": answer}}}, {})


def _document(paths: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION},
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "securitySchemes": {
                "BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"},
            },
        },
    }


def _schema(type_: ResourceType) -> tuple[str, dict[str, Any]]:
    gvk = [{"group": type_.group, "version": type_.version, "kind": type_.kind}]
    if not type_.custom:
        return type_.component, {**COMPONENTS[type_.component], "x-kubernetes-group-version-kind": gvk}
    reverse = ".".join(reversed(type_.group.split(".")))
    schema = _with_references(type_.published())
    if type_.selectable_fields:
        schema["x-kubernetes-selectable-fields"] = [{"fieldPath": path} for path in type_.selectable_fields]
    return f"{reverse}.{type_.version}.{type_.kind}", schema


def _with_references(value: Any) -> Any:
    """The schema with a reference in the place of each copy of ObjectMeta's."""
    if value is OBJECT_META_OPENAPI:
        reference = {"$ref": f"{REFERENCE}{_META}.ObjectMeta"}
        return {"description": OBJECT_META_OPENAPI["description"], "allOf": [reference]}
    if isinstance(value, Mapping):
        return {name: _with_references(each) for name, each in value.items()}
    return value


def _list_schema(type_: ResourceType, name: str) -> dict[str, Any]:
    return {
        "type": "object",
        "description": f"A list of {type_.kind}.",
        "required": ["items"],
        "properties": {
            "apiVersion": {"type": "string", "description": "Group and version of the list."},
            "kind": {"type": "string", "description": "The kind of the list."},
            "metadata": {"allOf": [{"$ref": f"{REFERENCE}{_META}.ListMeta"}], "default": {}},
            "items": {
                "type": "array",
                "description": "The objects.",
                "items": {"allOf": [{"$ref": f"{REFERENCE}{name}"}], "default": {}},
            },
        },
        "x-kubernetes-group-version-kind": [{"group": type_.group, "version": type_.version, "kind": type_.list_kind}],
    }


def _add_referenced(schemas: dict[str, Any]) -> None:
    """Adds what the schemas refer to, and what that refers to."""
    open_ = [_META + ".DeleteOptions", _META + ".Status", _META + ".Patch", *_references(schemas)]
    while open_:
        name = open_.pop()
        if name not in schemas and name in COMPONENTS:
            schemas[name] = COMPONENTS[name]
            open_ += _references(COMPONENTS[name])


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        reference = value.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(REFERENCE)
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _references(each)


# Paths


def _paths(type_: ResourceType, schema: str) -> dict[str, Any]:
    collection = (
        f"{type_.base}/namespaces/{{namespace}}/{type_.plural}" if type_.namespaced else f"{type_.base}/{type_.plural}"
    )
    paths = {collection: _collection(type_, schema), f"{collection}/{{name}}": _object(type_, schema)}
    if type_.namespaced:
        everywhere = _operation(type_, "list", f"{schema}List", _LIST)
        paths[f"{type_.base}/{type_.plural}"] = {"get": everywhere, "parameters": [_query(*_PRETTY)]}
    for name in type_.subresources:
        paths[f"{collection}/{{name}}/{name}"] = _subresource(type_, schema, name)
    return paths


def _collection(type_: ResourceType, schema: str) -> dict[str, Any]:
    return {
        "get": _operation(type_, "list", f"{schema}List", _LIST),
        "post": _operation(type_, "post", schema, _WRITE, body=schema),
        "delete": _operation(type_, "deletecollection", f"{_META}.Status", (*_DELETE, *_LIST)),
        "parameters": [*_place(type_), _query(*_PRETTY)],
    }


def _object(type_: ResourceType, schema: str) -> dict[str, Any]:
    return {
        "get": _operation(type_, "get", schema, ()),
        "put": _operation(type_, "put", schema, _WRITE, body=schema),
        "patch": _patch(type_, schema),
        "delete": _operation(type_, "delete", f"{_META}.Status", _DELETE, body=f"{_META}.DeleteOptions"),
        "parameters": [*_place(type_, "name"), _query(*_PRETTY)],
    }


def _subresource(type_: ResourceType, schema: str, name: str) -> dict[str, Any]:
    operations = {"put": _operation(type_, "put", schema, _WRITE, body=schema)}
    if name == "status":
        operations["get"] = _operation(type_, "get", schema, ())
        operations["patch"] = _patch(type_, schema)
    return {**operations, "parameters": [*_place(type_, "name"), _query(*_PRETTY)]}


def _place(type_: ResourceType, *names: str) -> list[dict[str, Any]]:
    names = ("namespace", *names) if type_.namespaced else names
    return [{"name": name, "in": "path", "required": True, "schema": _TEXT} for name in names]


def _query(name: str, schema: Mapping[str, Any], text: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": text, "schema": schema}


def _content(schema: str, media_types: Iterable[str] = _MEDIA_TYPES) -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": REFERENCE + schema}} for media_type in media_types}


def _operation(
    type_: ResourceType,
    action: str,
    answer: str,
    parameters: Iterable[tuple[str, Mapping[str, Any], str]],
    *,
    body: str = "",
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "description": f"{action} {type_.kind}",
        "parameters": [_query(*parameter) for parameter in parameters],
        "responses": {"200": {"description": "OK", "content": _content(answer)}},
        "x-kubernetes-action": action,
        "x-kubernetes-group-version-kind": {"group": type_.group, "version": type_.version, "kind": type_.kind},
    }
    if body:
        operation["requestBody"] = {"content": {"*/*": {"schema": {"$ref": REFERENCE + body}}}}
    return operation


def _patch(type_: ResourceType, schema: str) -> dict[str, Any]:
    types = [each for each in _PATCH_TYPES if not (type_.custom and "strategic" in each)]
    operation = _operation(type_, "patch", schema, (*_WRITE, _FORCE))
    operation["requestBody"] = {"content": _content(f"{_META}.Patch", types)}
    return operation
