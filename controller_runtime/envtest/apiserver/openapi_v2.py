"""OpenAPI version 2, made from documents of version 3."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.openapi_documents import REFERENCE

_DEFINITION: Final = "#/definitions/"
_UNKNOWN: Final = frozenset({"nullable", "oneOf", "anyOf", "not"})
"""Words that version 2 does not have: what they say of a value is left out."""


def swagger(documents: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """One document of everything that the documents describe."""
    paths: dict[str, Any] = {}
    definitions: dict[str, Any] = {}
    info: Mapping[str, Any] = {}
    for document in documents:
        info = document["info"]
        paths |= {path: _path(item) for path, item in document["paths"].items()}
        definitions |= {name: _schema(schema) for name, schema in document["components"]["schemas"].items()}
    return {
        "swagger": "2.0",
        "info": info,
        "paths": dict(sorted(paths.items())),
        "definitions": dict(sorted(definitions.items())),
        "securityDefinitions": {
            "BearerToken": {"description": "Bearer token.", "type": "apiKey", "name": "authorization", "in": "header"}
        },
        "security": [{"BearerToken": []}],
    }


def _path(item: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: [_parameter(each) for each in value] if name == "parameters" else _operation(value)
        for name, value in item.items()
    }


def _operation(operation: Mapping[str, Any]) -> dict[str, Any]:
    made = {name: value for name, value in operation.items() if name not in ("parameters", "requestBody", "responses")}
    parameters = [_parameter(each) for each in operation.get("parameters", ())]
    if body := operation.get("requestBody"):
        content = body["content"]
        made["consumes"] = list(content)
        parameters.append({"name": "body", "in": "body", "required": True, "schema": _content_schema(content)})
    produced = {media_type for response in operation["responses"].values() for media_type in response["content"]}
    return {
        **made,
        "produces": sorted(produced),
        "parameters": parameters,
        "responses": {
            code: {"description": response["description"], "schema": _content_schema(response["content"])}
            for code, response in operation["responses"].items()
        },
    }


def _content_schema(content: Mapping[str, Any]) -> dict[str, Any]:
    return _schema(next(iter(content.values()))["schema"])


def _parameter(parameter: Mapping[str, Any]) -> dict[str, Any]:
    return {**{name: value for name, value in parameter.items() if name != "schema"}, **parameter["schema"]}


def _schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The same in the words of version 2."""
    if len(alternatives := schema.get("allOf", ())) == 1 and "$ref" in alternatives[0]:
        rest = {name: value for name, value in schema.items() if name != "allOf"}
        return {**_schema(rest), **_schema(alternatives[0])}
    return {name: _keyword(name, value) for name, value in schema.items() if name not in _UNKNOWN}


def _keyword(name: str, value: Any) -> Any:
    match name:
        case "$ref":
            return value.replace(REFERENCE, _DEFINITION)
        case "properties":
            return {key: _schema(each) for key, each in value.items()}
        case "items" | "additionalProperties" if isinstance(value, Mapping):
            return _schema(value)
        case "allOf":
            return [_schema(each) for each in value]
    return value
