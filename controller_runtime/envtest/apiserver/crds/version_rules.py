"""What is wrong with the versions of a CustomResourceDefinition: schemas, subresources, columns, selectable fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from controller_runtime.envtest.apiserver.crds.defaults import default_errors
from controller_runtime.envtest.apiserver.crds.definition import walk
from controller_runtime.envtest.apiserver.crds.internal import InternalSpec, go_fields, go_schema
from controller_runtime.envtest.apiserver.crds.paths import schema_at
from controller_runtime.envtest.apiserver.crds.schema_rules import schema_errors
from controller_runtime.envtest.apiserver.crds.structural import structural_errors
from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.schema.field_errors import (
    duplicate,
    forbidden,
    invalid,
    required,
    too_many,
)
from controller_runtime.envtest.apiserver.schema.go_text import encoded

_COLUMN_TYPES: Final = ("boolean", "date", "integer", "number", "string")
_COLUMN_FORMATS: Final = ("byte", "date", "date-time", "double", "float", "int32", "int64", "password")
_ROOT_FIELDS: Final = (
    "Description Type Format Title Maximum ExclusiveMaximum Minimum ExclusiveMinimum MaxLength MinLength Pattern"
    " MaxItems MinItems UniqueItems MultipleOf Required Items Properties ExternalDocs Example XPreserveUnknownFields"
    " XValidations"
)
_MAX_SELECTABLE_FIELDS: Final = 8


def version_errors(version: Mapping[str, Any], path: str, spec: InternalSpec) -> Iterator[FieldError]:
    """Of one version, in what it does not share with the others."""
    yield from _deprecation(version, f"{path}.deprecationWarning")
    subresources = version.get("subresources", spec.shared.get("subresources"))
    yield from validation_errors(
        version.get("schema"), f"{path}.schema", has_status=has_status_subresource(subresources)
    )
    yield from subresource_errors(version.get("subresources"), f"{path}.subresources")
    yield from column_errors(version.get("additionalPrinterColumns"), path)
    if fields := version.get("selectableFields"):
        schema = (version.get("schema") or {}).get("openAPIV3Schema")
        if schema is None:
            # The text is the real server's, though it says the opposite of what it means.
            detail = "may only be set when `version.schema.openAPIV3Schema` is not included"
            yield invalid(f"{path}.selectableFields", "", detail)
            return
        yield from selectable_field_errors(fields, schema, f"{path}.selectableFields")


def has_status_subresource(subresources: Mapping[str, Any] | None) -> bool:
    """Whether the status has an endpoint of its own."""
    return (subresources or {}).get("status") is not None


def _deprecation(version: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    warning = version.get("deprecationWarning")
    if warning is not None:
        # The real server has a pointer here, which it shows as JSON.
        for problem in _deprecation_problems(version, warning):
            yield FieldError("FieldValueInvalid", path, f"Invalid value: {encoded(warning)}: {problem}")


def _deprecation_problems(version: Mapping[str, Any], warning: str) -> Iterator[str]:
    if not version.get("deprecated"):
        yield "can only be set for deprecated versions"
        return
    if len(warning.encode()) > 256:
        yield "must be <= 256 characters long"
    if not warning:
        yield "must not be an empty string"
    position = 0
    for character in warning:
        if not character.isprintable():
            yield f"must only contain printable UTF-8 characters; non-printable character found at index {position}"
            return
        position += len(character.encode())


def validation_errors(validation: Mapping[str, Any] | None, path: str, *, has_status: bool) -> Iterator[FieldError]:
    """Of a schema."""
    schema = (validation or {}).get("openAPIV3Schema")
    if schema is None:
        return
    place = f"{path}.openAPIV3Schema"
    errors = list(_root_restrictions(schema, place)) if has_status else []
    if schema.get("nullable"):
        errors.append(forbidden(f"{place}.nullable", "nullable cannot be true at the root"))
    unsupported = _unsupported(schema)
    if not unsupported:
        errors += structural_errors(schema, place) or default_errors(schema, place, is_root=True)
    errors += schema_errors(schema, place)
    if unsupported and not errors:
        errors.append(invalid(place, "", unsupported))
    yield from errors


def _root_restrictions(schema: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    """The schema of the status is used alone, so the root may not say anything that would be lost."""
    suffix = "at the root of the schema if the status subresource is enabled"
    for name in go_fields(schema):
        if name == "Type" and schema["type"] != "object":
            yield invalid(f"{path}.type", schema["type"], f'only "object" is allowed as the type {suffix}')
            return
        if name not in _ROOT_FIELDS.split():
            yield invalid(path, go_schema(schema), f"only [{_ROOT_FIELDS}] fields are allowed {suffix}")
            return


def _unsupported(schema: Mapping[str, Any]) -> str:
    """Why nothing structural can be made of a schema."""
    for each in walk(schema):
        for name, shown in (("id", "id"), ("$schema", "schema"), ("$ref", "$ref")):
            if each.get(name):
                return f"OpenAPIV3Schema '{shown}' is not supported"
        for name in ("patternProperties", "dependencies", "additionalItems", "definitions"):
            if each.get(name):
                return f"OpenAPIV3Schema '{name}' is not supported"
        if each.get("x-kubernetes-preserve-unknown-fields") is False:
            return "internal error: 'x-kubernetes-preserve-unknown-fields' must be true or undefined"
        if isinstance(each.get("items"), list):
            return "OpenAPIV3Schema 'items' must be a schema, but is an array"
    return ""


def subresource_errors(subresources: Mapping[str, Any] | None, path: str) -> Iterator[FieldError]:
    """Of the subresources."""
    scale = (subresources or {}).get("scale")
    if scale is None:
        return
    for name, root in (("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")):
        place, value = f"{path}.scale.{name}", scale.get(name) or ""
        if not value:
            yield required(place)
        elif not value.startswith("."):
            yield invalid(place, value, "must be a simple json path starting with .")
        elif not value.startswith(f"{root}."):
            yield invalid(place, value, f"should be a json path under {root}")
    if selector := scale.get("labelSelectorPath"):
        place = f"{path}.scale.labelSelectorPath"
        if not selector.startswith("."):
            yield invalid(place, selector, "must be a simple json path starting with .")
        elif not selector.startswith((".spec.", ".status.")):
            yield invalid(place, selector, "should be a json path under either .spec or .status")


def column_errors(columns: Sequence[Mapping[str, Any]] | None, path: str) -> Iterator[FieldError]:
    """Of the printer columns."""
    for index, column in enumerate(columns or ()):
        place = f"{path}.additionalPrinterColumns[{index}]"
        if not column.get("name"):
            yield required(f"{place}.name")
        type_, types = column.get("type") or "", f"must be one of {','.join(_COLUMN_TYPES)}"
        if not type_:
            yield required(f"{place}.type", types)
        elif type_ not in _COLUMN_TYPES:
            yield invalid(f"{place}.type", type_, types)
        if column.get("format") and column["format"] not in _COLUMN_FORMATS:
            yield invalid(f"{place}.format", column["format"], f"must be one of {','.join(_COLUMN_FORMATS)}")
        json_path = column.get("jsonPath") or ""
        if not json_path:
            yield required(f"{place}.JSONPath")
        elif not json_path.startswith("."):
            yield invalid(f"{place}.JSONPath", json_path, "must be a simple json path starting with .")


def selectable_field_errors(
    fields: Sequence[Mapping[str, Any]], schema: Mapping[str, Any], path: str
) -> Iterator[FieldError]:
    """Of the fields that selectors may name."""
    unique: set[str] = set()
    for index, each in enumerate(fields):
        place, json_path = f"{path}[{index}].jsonPath", each.get("jsonPath") or ""
        if not json_path:
            yield required(place)
            continue
        found, problem = schema_at(json_path, schema, brackets=False)
        if problem:
            yield invalid(place, json_path, f"is an invalid path: {problem}")
            continue
        if json_path == ".metadata" or json_path.startswith(".metadata."):
            yield invalid(place, json_path, "must not point to fields in metadata")
        if found.get("type") not in {"string", "boolean", "integer"}:
            yield invalid(
                place,
                json_path,
                "must point to a field of type string, boolean or integer. Enum string fields and strings with formats"
                " are allowed.",
            )
        if json_path in unique:
            yield duplicate(place, json_path)
        unique.add(json_path)
    if len(unique) > _MAX_SELECTABLE_FIELDS:
        yield too_many(path, len(unique), _MAX_SELECTABLE_FIELDS)
