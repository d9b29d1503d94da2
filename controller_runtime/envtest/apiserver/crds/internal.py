"""A definition in the form in which the real server validates it: its internal version, whose paths messages use.

What all versions of a definition have in common stands once, beside them: with one version, or equal ones, errors in
the schema are reported at `spec.validation`, not at `spec.versions[0].schema`. Where messages show a whole structure,
they show it as Go writes this form: every field, by its Go name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from controller_runtime.envtest.apiserver.schema.go_text import GoStruct

_SHARED: Final = ("subresources", "schema", "additionalPrinterColumns", "selectableFields")
_SCHEMA_FIELDS: Final[tuple[tuple[str, str, Any], ...]] = (
    ("ID", "id", ""),
    ("Schema", "$schema", ""),
    ("Ref", "$ref", None),
    ("Description", "description", ""),
    ("Type", "type", ""),
    ("Nullable", "nullable", False),
    ("Format", "format", ""),
    ("Title", "title", ""),
    ("Default", "default", None),
    ("Maximum", "maximum", None),
    ("ExclusiveMaximum", "exclusiveMaximum", False),
    ("Minimum", "minimum", None),
    ("ExclusiveMinimum", "exclusiveMinimum", False),
    ("MaxLength", "maxLength", None),
    ("MinLength", "minLength", None),
    ("Pattern", "pattern", ""),
    ("MaxItems", "maxItems", None),
    ("MinItems", "minItems", None),
    ("UniqueItems", "uniqueItems", False),
    ("MultipleOf", "multipleOf", None),
    ("Enum", "enum", None),
    ("MaxProperties", "maxProperties", None),
    ("MinProperties", "minProperties", None),
    ("Required", "required", None),
    ("Items", "items", None),
    ("AllOf", "allOf", None),
    ("OneOf", "oneOf", None),
    ("AnyOf", "anyOf", None),
    ("Not", "not", None),
    ("Properties", "properties", None),
    ("AdditionalProperties", "additionalProperties", None),
    ("PatternProperties", "patternProperties", None),
    ("Dependencies", "dependencies", None),
    ("AdditionalItems", "additionalItems", None),
    ("Definitions", "definitions", None),
    ("ExternalDocs", "externalDocs", None),
    ("Example", "example", None),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", None),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", False),
    ("XIntOrString", "x-kubernetes-int-or-string", False),
    ("XListMapKeys", "x-kubernetes-list-map-keys", None),
    ("XListType", "x-kubernetes-list-type", None),
    ("XMapType", "x-kubernetes-map-type", None),
    ("XValidations", "x-kubernetes-validations", None),
)


@dataclass(frozen=True, slots=True)
class InternalSpec:
    """The spec with what versions share taken out of them.

    Attributes:
        source: as it was sent.
        shared: what all versions have in common, by its name in them.
        versions: with the rest.
    """

    source: Mapping[str, Any]
    shared: Mapping[str, Any]
    versions: Sequence[Mapping[str, Any]]


def internal_spec(spec: Mapping[str, Any]) -> InternalSpec:
    """Takes a spec apart."""
    versions: Sequence[Mapping[str, Any]] = spec.get("versions") or ()
    shared = {}
    for name in _SHARED:
        values = [version.get(name) or None if name in _SHARED[2:] else version.get(name) for version in versions]
        if values and all(value == values[0] for value in values):
            shared[name] = values[0]
    rest = [{name: value for name, value in version.items() if name not in shared} for version in versions]
    return InternalSpec(spec, shared, rest)


def go_fields(schema: Mapping[str, Any]) -> list[str]:
    """Go's names of the fields that a schema sets, in Go's order."""
    return [go for go, name, zero in _SCHEMA_FIELDS if name in schema and schema[name] != zero]


def go_schema(schema: Mapping[str, Any]) -> GoStruct:
    """A schema as Go writes it."""
    return GoStruct({go: _go_value(name, schema.get(name, zero)) for go, name, zero in _SCHEMA_FIELDS})


def _go_value(name: str, value: Any) -> Any:
    if value is None:
        return None
    match name:
        case "items":
            return GoStruct(Schema=go_schema(value), JSONSchemas=None)
        case "additionalProperties":
            schema = go_schema(value) if isinstance(value, Mapping) else None
            return GoStruct(Allows=value if isinstance(value, bool) else True, Schema=schema)
        case "allOf" | "oneOf" | "anyOf":
            return [go_schema(each) for each in value]
        case "not":
            return go_schema(value)
        case "properties":
            return {key: go_schema(each) for key, each in value.items()}
        case "externalDocs":
            return GoStruct(Description=value.get("description", ""), URL=value.get("url", ""))
        case "x-kubernetes-validations":
            return [_go_rule(rule) for rule in value]
        case _:
            return value


def _go_rule(rule: Mapping[str, Any]) -> GoStruct:
    return GoStruct(
        Rule=rule.get("rule", ""),
        Message=rule.get("message", ""),
        MessageExpression=rule.get("messageExpression", ""),
        Reason=rule.get("reason"),
        FieldPath=rule.get("fieldPath", ""),
        OptionalOldSelf=rule.get("optionalOldSelf"),
    )


def go_versions(spec: InternalSpec) -> list[GoStruct]:
    """Versions as Go writes them."""
    return [_go_version(version) for version in spec.versions]


def _go_version(version: Mapping[str, Any]) -> GoStruct:
    schema = version.get("schema")
    columns = version.get("additionalPrinterColumns")
    fields = version.get("selectableFields")
    return GoStruct(
        Name=version.get("name", ""),
        Served=version.get("served", False),
        Storage=version.get("storage", False),
        Deprecated=version.get("deprecated", False),
        DeprecationWarning=version.get("deprecationWarning"),
        Schema=None if schema is None else GoStruct(OpenAPIV3Schema=_go_value("not", schema.get("openAPIV3Schema"))),
        Subresources=_go_subresources(version.get("subresources")),
        AdditionalPrinterColumns=None if columns is None else [_go_column(each) for each in columns],
        SelectableFields=None if fields is None else [GoStruct(JSONPath=each.get("jsonPath", "")) for each in fields],
    )


def _go_subresources(subresources: Mapping[str, Any] | None) -> GoStruct | None:
    if subresources is None:
        return None
    status, scale = subresources.get("status"), subresources.get("scale")
    return GoStruct(
        Status=None if status is None else GoStruct(),
        Scale=None
        if scale is None
        else GoStruct(
            SpecReplicasPath=scale.get("specReplicasPath", ""),
            StatusReplicasPath=scale.get("statusReplicasPath", ""),
            LabelSelectorPath=scale.get("labelSelectorPath"),
        ),
    )


def _go_column(column: Mapping[str, Any]) -> GoStruct:
    return GoStruct(
        Name=column.get("name", ""),
        Type=column.get("type", ""),
        Format=column.get("format", ""),
        Description=column.get("description", ""),
        Priority=column.get("priority", 0),
        JSONPath=column.get("jsonPath", ""),
    )
