"""What is wrong with definitions: texts and fields are those of kube-apiserver 1.36.3."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from controller_runtime.envtest.apiserver.crds.validation import validate_crd, validate_crd_status
from tests.unit.envtest.apiserver.crds.definitions import STRING, complete, definition

PLACE = "spec.validation.openAPIV3Schema.properties[spec].properties[x]"
LABEL_RULE = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character,"
    " and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is"
    " '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
LIST_TYPE = "x-kubernetes-list-type"
MAP_KEYS = "x-kubernetes-list-map-keys"
EMBEDDED = "x-kubernetes-embedded-resource"
PRESERVE = "x-kubernetes-preserve-unknown-fields"
NAMES = {"type": "object", "required": ["y"], "properties": {"y": STRING}}

SCHEMAS = [
    pytest.param({}, ["type: Required value: must not be empty for specified object fields"], id="no type"),
    pytest.param(
        {"type": "text"},
        [
            (
                'type: Unsupported value: "text": supported values: "array", "boolean", "integer", "number", "object",'
                ' "string"'
            )
        ],
        id="no such type",
    ),
    pytest.param({"type": "array"}, ["items: Required value: must be specified"], id="no items"),
    pytest.param(
        {"type": "object", "additionalProperties": STRING, "properties": {"y": STRING}},
        ["additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive"],
        id="both kinds of properties",
    ),
    pytest.param(
        {"type": "string", "pattern": "("},
        [
            (
                'pattern: Invalid value: "(": must be a valid regular expression, but isn\'t: error parsing regexp:'
                " missing closing ): `(`"
            )
        ],
        id="pattern",
    ),
    pytest.param(
        {"type": "string", "allOf": [{"type": "string", "default": "a"}]},
        [
            "allOf[0].default: Forbidden: must be undefined to be structural",
            "allOf[0].type: Forbidden: must be empty to be structural",
        ],
        id="declared where it is restricted",
    ),
    pytest.param(
        {"type": "object", EMBEDDED: True},
        [f"properties: Required value: must not be empty if {EMBEDDED} is true without {PRESERVE}"],
        id="embedded without anything",
    ),
    pytest.param(
        {"type": "string", "default": 1},
        ['default: Invalid value: "integer":  in body must be of type string: "integer"'],
        id="default of another type",
    ),
    pytest.param(
        {"type": "object", "properties": {"y": STRING}, "default": {"z": 1}},
        ['default: Invalid value: {"z":1}: must not have unknown fields'],
        id="default with unknown fields",
    ),
    pytest.param(
        {"type": "array", "items": STRING, "uniqueItems": True},
        ["uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic"],
        id="unique items",
    ),
    pytest.param(
        {"type": "string", LIST_TYPE: "set"},
        [f'type: Invalid value: "string": must be array if {LIST_TYPE} is specified'],
        id="list type of no list",
    ),
    pytest.param(
        {"type": "array", "items": {"type": "object"}, LIST_TYPE: "set"},
        [f"items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with {LIST_TYPE}=set"],
        id="set of objects that are not atomic",
    ),
    pytest.param(
        {"type": "array", "items": NAMES, LIST_TYPE: "map"},
        [f"{MAP_KEYS}: Required value: must not be empty if {LIST_TYPE} is map"],
        id="map without keys",
    ),
    pytest.param(
        {"type": "array", "items": NAMES, LIST_TYPE: "map", MAP_KEYS: ["z"]},
        [f'{MAP_KEYS}: Invalid value: ["z"]: entries must all be names of item properties'],
        id="keys that are no properties",
    ),
    pytest.param(
        {"type": "array", "items": {**NAMES, "required": []}, LIST_TYPE: "map", MAP_KEYS: ["y"]},
        [
            (
                f"items.properties[y].default: Required value: this property is in {MAP_KEYS}, so it must have a"
                " default or be a required property"
            )
        ],
        id="keys that may be missing",
    ),
    pytest.param({"type": "string", "id": "x"}, ["id: Forbidden: id is not supported"], id="unsupported keyword"),
    pytest.param(
        {"type": "string", "x-kubernetes-validations": [{"rule": " "}]},
        ["x-kubernetes-validations[0].rule: Required value: rule is not specified"],
        id="rule without a rule",
    ),
    pytest.param({"x-kubernetes-int-or-string": True, "default": True}, [], id="defaults of either are not checked"),
    pytest.param(
        {"x-kubernetes-int-or-string": True, "anyOf": [{"type": "integer"}, {"type": "string"}]},
        [],
        id="either, spelt out",
    ),
]

Change = Callable[[dict[str, Any], dict[str, Any]], object]
SPECS: list[Any] = [
    pytest.param(
        lambda _, spec: spec.update(group="example"),
        [
            """metadata.name: Invalid value: "widgets.example.com": must be spec.names.plural+"."+spec.group""",
            'spec.group: Invalid value: "example": should be a domain with at least one dot',
        ],
        id="group",
    ),
    pytest.param(
        lambda _, spec: spec.update(scope="World"),
        ['spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced"'],
        id="scope",
    ),
    pytest.param(
        lambda _, spec: spec["names"].update(kind="Wid_get", singular="widget", listKind="List"),
        [f'spec.names.kind: Invalid value: "Wid_get": may have mixed case, but should otherwise match: {LABEL_RULE}'],
        id="kind",
    ),
    pytest.param(
        lambda _, spec: spec["names"].update(listKind="Widget"),
        ['spec.names.listKind: Invalid value: "Widget": kind and listKind may not be the same'],
        id="list kind",
    ),
    pytest.param(
        lambda _, spec: spec["names"].update(shortNames=["W"]),
        [f'spec.names.shortNames[0]: Invalid value: "W": {LABEL_RULE}'],
        id="short names",
    ),
    pytest.param(
        lambda _, spec: spec["versions"][0].update(storage=False),
        [
            (
                'spec.versions: Invalid value: [{"Name":"v1","Served":true,"Storage":false,"Deprecated":false,'
                '"DeprecationWarning":null,"Schema":null,"Subresources":null,"AdditionalPrinterColumns":null,'
                '"SelectableFields":null}]: must have exactly one version marked as storage version'
            ),
            "status.storedVersions: Invalid value: null: must have at least one stored version",
        ],
        id="no storage version",
    ),
    pytest.param(
        lambda _, spec: spec["versions"][0].pop("schema"),
        ["spec.versions[0].schema.openAPIV3Schema: Required value"],
        id="no schema",
    ),
    pytest.param(
        lambda _, spec: spec["versions"][0].update(deprecationWarning="x"),
        ['spec.versions[0].deprecationWarning: Invalid value: "x": can only be set for deprecated versions'],
        id="warning of a version that is not deprecated",
    ),
    pytest.param(
        lambda _, spec: spec["versions"][0].update(
            subresources={"scale": {"specReplicasPath": ".x", "statusReplicasPath": ""}}
        ),
        [
            'spec.subresources.scale.specReplicasPath: Invalid value: ".x": should be a json path under .spec',
            "spec.subresources.scale.statusReplicasPath: Required value",
        ],
        id="scale",
    ),
    pytest.param(
        lambda _, spec: spec["versions"][0].update(
            additionalPrinterColumns=[{"name": "a", "type": "text", "jsonPath": "a"}]
        ),
        [
            (
                'spec.additionalPrinterColumns[0].type: Invalid value: "text": must be one of'
                " boolean,date,integer,number,string"
            ),
            'spec.additionalPrinterColumns[0].JSONPath: Invalid value: "a": must be a simple json path starting with .',
        ],
        id="columns",
    ),
    pytest.param(
        lambda _, spec: spec["versions"][0].update(selectableFields=[{"jsonPath": ".spec.b"}, {"jsonPath": ".spec"}]),
        [
            (
                'spec.selectableFields[0].jsonPath: Invalid value: ".spec.b": is an invalid path: does not'
                " refer to a valid field"
            ),
            (
                'spec.selectableFields[1].jsonPath: Invalid value: ".spec": must point to a field of type'
                " string, boolean or integer. Enum string fields and strings with formats are allowed."
            ),
        ],
        id="selectable fields",
    ),
    pytest.param(
        lambda _, spec: spec.update(conversion={"strategy": "Magic"}),
        ['spec.conversion.strategy: Unsupported value: "Magic": supported values: "None", "Webhook"'],
        id="conversion",
    ),
    pytest.param(
        lambda _, spec: spec.update(preserveUnknownFields=True),
        [
            (
                "spec.preserveUnknownFields: Invalid value: true: cannot set to true, set"
                " x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
            )
        ],
        id="everything is preserved",
    ),
    pytest.param(
        lambda crd, spec: (spec.update(group="x.k8s.io"), crd["metadata"].update(name="widgets.x.k8s.io")),
        [
            (
                "metadata.annotations[api-approved.kubernetes.io]: Required value: protected groups must have"
                ' approval annotation "api-approved.kubernetes.io", see'
                " https://github.com/kubernetes/enhancements/pull/1111"
            )
        ],
        id="a group of Kubernetes itself",
    ),
]


@pytest.mark.parametrize(("schema", "expected"), SCHEMAS)
def test_errors_in_schemas_have_the_real_servers_texts(schema: dict[str, Any], expected: list[str]) -> None:
    found = [str(error) for error in validate_crd(complete(definition(schema)))]
    assert [text.removeprefix(f"{PLACE}.") for text in found] == expected


@pytest.mark.parametrize(("change", "expected"), SPECS)
def test_errors_elsewhere_have_the_real_servers_texts(change: Change, expected: list[str]) -> None:
    crd = definition()
    change(crd, crd["spec"])
    assert [str(error) for error in validate_crd(complete(crd))] == expected


def test_what_is_restricted_must_be_declared() -> None:
    crd = definition()
    root = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    root["anyOf"] = [{"properties": {"spec": {"properties": {"b": {"minLength": 1}}}}}]
    field = "properties[spec].properties[b]"
    assert list(map(str, validate_crd(complete(crd)))) == [
        (
            f"spec.validation.openAPIV3Schema.{field}: Required value: because it is defined in"
            f" spec.validation.openAPIV3Schema.anyOf[0].{field}"
        )
    ]


def test_schemas_are_named_by_version_only_where_versions_differ() -> None:
    crd = definition({})
    second = {**copy.deepcopy(crd["spec"]["versions"][0]), "name": "v2", "storage": False}
    crd["spec"]["versions"].append(second)
    crd = complete(crd)
    assert [error.field for error in validate_crd(crd)] == [f"{PLACE}.type"]
    second["schema"]["openAPIV3Schema"]["description"] = "other"
    fields = [error.field for error in validate_crd(crd)]
    assert fields == [
        f"{PLACE}.type".replace("spec.validation", f"spec.versions[{index}].schema") for index in range(2)
    ]


def test_the_root_is_restricted_where_the_status_has_an_endpoint() -> None:
    crd = definition(subresources={"status": {}})
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["minProperties"] = 1
    (error,) = validate_crd(complete(crd))
    assert error.field == "spec.validation.openAPIV3Schema"
    assert error.message.startswith('Invalid value: {"ID":"","Schema":"","Ref":null,"Description":"","Type":"object",')
    assert error.message.endswith("fields are allowed at the root of the schema if the status subresource is enabled")


def test_names_are_fixed_once_they_are_established() -> None:
    old = complete(definition())
    old["metadata"]["resourceVersion"] = "1"
    new = copy.deepcopy(old)
    new["spec"]["scope"] = "Cluster"
    new["spec"]["names"]["plural"] = "gadgets"
    assert [error.field for error in validate_crd(new, old)] == ["spec.names.plural"]
    old["status"]["conditions"] = [{"type": "Established", "status": "True"}]
    assert [error.field for error in validate_crd(new, old)] == ["spec.scope", "spec.names.plural"]


def test_versions_that_were_stored_stay() -> None:
    old = complete(definition())
    old["metadata"]["resourceVersion"] = "1"
    new = copy.deepcopy(old)
    new["status"]["storedVersions"] = ["v0", "v1"]
    assert [error.field for error in validate_crd(new, old)] == ["status.storedVersions[0]"]


def test_accepted_names_are_checked_in_updates_of_the_status() -> None:
    old = complete(definition())
    old["metadata"]["resourceVersion"] = "1"
    new = copy.deepcopy(old)
    new["status"]["acceptedNames"] = {"plural": "W", "kind": "Widget"}
    assert [error.field for error in validate_crd_status(new, old)] == ["status.acceptedNames.plural"]
