"""Schemas of apiextensions.k8s.io/v1: the CustomResourceDefinition, and the schemas within it."""

from __future__ import annotations

from typing import Final

from controller_runtime.envtest.apiserver.builtin.components.terms import (
    Schema,
    boolean,
    boolean_or_zero,
    embedded,
    integer,
    items,
    kind,
    kind_list,
    number,
    octets,
    optional,
    reference,
    struct,
    text,
    text_or_zero,
    texts,
    time,
    value_map,
)

EXTENSIONS: Final = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1"
_PROPS: Final = f"{EXTENSIONS}.JSONSchemaProps"

_DEFINITION: Final[dict[str, Schema]] = {
    f"{EXTENSIONS}.CustomResourceDefinition": kind(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        "Adds a kind to the API.",
        {
            "spec": embedded(f"{EXTENSIONS}.CustomResourceDefinitionSpec", "The kind."),
            "status": embedded(f"{EXTENSIONS}.CustomResourceDefinitionStatus", "Whether it is served."),
        },
        required=("spec",),
    ),
    f"{EXTENSIONS}.CustomResourceDefinitionSpec": struct(
        "Names, scope and versions of a kind.",
        {
            "conversion": optional(f"{EXTENSIONS}.CustomResourceConversion", "How versions are converted."),
            "group": text_or_zero("API group, as `example.com`."),
            "names": embedded(f"{EXTENSIONS}.CustomResourceDefinitionNames", "Names of the kind."),
            "preserveUnknownFields": boolean("Deprecated; must be false."),
            "scope": text_or_zero("`Namespaced` or `Cluster`."),
            "versions": items(f"{EXTENSIONS}.CustomResourceDefinitionVersion", "The versions; one is stored."),
        },
        required=("group", "names", "scope", "versions"),
    ),
    f"{EXTENSIONS}.CustomResourceDefinitionNames": struct(
        "Names of a kind.",
        {
            "categories": texts("Groups of resources to which it belongs (`all`)."),
            "kind": text_or_zero("Name of the kind, in CamelCase."),
            "listKind": text("Name of its list; kind and `List` by default."),
            "plural": text_or_zero("Name in URLs."),
            "shortNames": texts("Abbreviations for the command line."),
            "singular": text("Singular name; the kind in lower case by default."),
        },
        required=("plural", "kind"),
    ),
    f"{EXTENSIONS}.CustomResourceDefinitionVersion": struct(
        "One version of a kind.",
        {
            "additionalPrinterColumns": items(
                f"{EXTENSIONS}.CustomResourceColumnDefinition", "Columns after the name; the age by default."
            ),
            "deprecated": boolean("Whether clients are warned."),
            "deprecationWarning": text("The words of the warning."),
            "name": text_or_zero("Name, as `v1beta1`."),
            "schema": optional(f"{EXTENSIONS}.CustomResourceValidation", "What objects look like."),
            "selectableFields": items(f"{EXTENSIONS}.SelectableField", "What field selectors may ask for."),
            "served": boolean_or_zero("Whether the API serves it."),
            "storage": boolean_or_zero("Whether objects are stored in it; true for one version."),
            "subresources": optional(f"{EXTENSIONS}.CustomResourceSubresources", "Which subresources there are."),
        },
        required=("name", "served", "storage"),
    ),
    f"{EXTENSIONS}.CustomResourceColumnDefinition": struct(
        "A column of tables.",
        {
            "description": text("What it shows."),
            "format": text("Format of the values, as in OpenAPI."),
            "jsonPath": text_or_zero("Where the value is, as `.spec.size`."),
            "name": text_or_zero("Heading."),
            "priority": integer("0 is always shown, more in wide output only."),
            "type": text_or_zero("`integer`, `number`, `string`, `boolean` or `date`."),
        },
        required=("name", "type", "jsonPath"),
    ),
    f"{EXTENSIONS}.CustomResourceValidation": struct(
        "What objects look like.", {"openAPIV3Schema": optional(_PROPS, "Structural OpenAPI v3 schema.")}
    ),
    f"{EXTENSIONS}.SelectableField": struct(
        "A field for selectors.",
        {"jsonPath": text_or_zero("Where the field is, as `.spec.color`.")},
        required=("jsonPath",),
    ),
    f"{EXTENSIONS}.CustomResourceSubresources": struct(
        "Subresources of a kind.",
        {
            "scale": optional(f"{EXTENSIONS}.CustomResourceSubresourceScale", "Where the replicas are."),
            "status": optional(f"{EXTENSIONS}.CustomResourceSubresourceStatus", "Serves `status` by itself."),
        },
    ),
    f"{EXTENSIONS}.CustomResourceSubresourceScale": struct(
        "Where a kind keeps its replicas.",
        {
            "labelSelectorPath": text("Path of the selector of the replicas, as a string."),
            "specReplicasPath": text_or_zero("Path of the number that is wanted."),
            "statusReplicasPath": text_or_zero("Path of the number that there is."),
        },
        required=("specReplicasPath", "statusReplicasPath"),
    ),
    f"{EXTENSIONS}.CustomResourceSubresourceStatus": {
        "type": "object",
        "description": "Its presence serves `status` by itself: updates of one leave the other alone.",
    },
    f"{EXTENSIONS}.CustomResourceDefinitionStatus": struct(
        "Whether a kind is served.",
        {
            "acceptedNames": embedded(f"{EXTENSIONS}.CustomResourceDefinitionNames", "Names under which it is served."),
            "conditions": items(
                f"{EXTENSIONS}.CustomResourceDefinitionCondition", "State, aspect by aspect.", keys=("type",)
            ),
            "observedGeneration": integer("Generation to which the status refers.", 64),
            "storedVersions": texts("Versions in which objects may be stored."),
        },
    ),
    f"{EXTENSIONS}.CustomResourceDefinitionCondition": struct(
        "One aspect of a definition's state.",
        {
            "lastTransitionTime": time("When the status last changed."),
            "message": text("Details, for people."),
            "observedGeneration": integer("Generation to which the condition refers.", 64),
            "reason": text("Why, in one CamelCase word."),
            "status": text_or_zero("`True`, `False` or `Unknown`."),
            "type": text_or_zero("`Established`, `NamesAccepted`, ..."),
        },
        required=("type", "status"),
    ),
}

_CONVERSION: Final[dict[str, Schema]] = {
    f"{EXTENSIONS}.CustomResourceConversion": struct(
        "How versions are converted.",
        {
            "strategy": text_or_zero("`None` changes the apiVersion alone, `Webhook` asks a service."),
            "webhook": optional(f"{EXTENSIONS}.WebhookConversion", "The service."),
        },
        required=("strategy",),
    ),
    f"{EXTENSIONS}.WebhookConversion": struct(
        "A service that converts.",
        {
            "clientConfig": optional(f"{EXTENSIONS}.WebhookClientConfig", "How it is called."),
            "conversionReviewVersions": texts("Versions of ConversionReview that it understands."),
        },
        required=("conversionReviewVersions",),
    ),
    f"{EXTENSIONS}.WebhookClientConfig": struct(
        "How a webhook is called.",
        {
            "caBundle": octets("Certificates that its own must be signed by, PEM."),
            "service": optional(f"{EXTENSIONS}.ServiceReference", "Service behind which it runs."),
            "url": text("Address, where no service is named."),
        },
    ),
    f"{EXTENSIONS}.ServiceReference": struct(
        "Names a service.",
        {
            "name": text_or_zero("Name."),
            "namespace": text_or_zero("Namespace."),
            "path": text("Path of the URL."),
            "port": integer("Port; 443 by default."),
        },
        required=("namespace", "name"),
    ),
}

_PROPERTIES: Final[dict[str, Schema]] = {
    "$ref": text("Not allowed in structural schemas."),
    "$schema": text("URL of the schema's own schema."),
    "additionalItems": reference(f"{EXTENSIONS}.JSONSchemaPropsOrBool"),
    "additionalProperties": reference(f"{EXTENSIONS}.JSONSchemaPropsOrBool"),
    "allOf": items(_PROPS, "Schemas that must all hold."),
    "anyOf": items(_PROPS, "Schemas of which one must hold."),
    "default": optional(f"{EXTENSIONS}.JSON", "Value where none is given."),
    "definitions": value_map(_PROPS, "Not allowed in structural schemas."),
    "dependencies": {
        "type": "object",
        "additionalProperties": reference(f"{EXTENSIONS}.JSONSchemaPropsOrStringArray"),
        "description": "Not allowed in structural schemas.",
    },
    "description": text("What the field means."),
    "enum": {
        "type": "array",
        "items": reference(f"{EXTENSIONS}.JSON"),
        "description": "The values that are allowed.",
        "x-kubernetes-list-type": "atomic",
    },
    "example": reference(f"{EXTENSIONS}.JSON"),
    "exclusiveMaximum": boolean("Whether `maximum` itself is excluded."),
    "exclusiveMinimum": boolean("Whether `minimum` itself is excluded."),
    "externalDocs": reference(f"{EXTENSIONS}.ExternalDocumentation"),
    "format": text("Format of a string or number, as `date-time` or `int32`."),
    "id": text("Not allowed in structural schemas."),
    "items": reference(f"{EXTENSIONS}.JSONSchemaPropsOrArray"),
    "maxItems": integer("Most items of a list.", 64),
    "maxLength": integer("Most characters of a string.", 64),
    "maxProperties": integer("Most keys of a map.", 64),
    "maximum": number("Greatest value."),
    "minItems": integer("Fewest items of a list.", 64),
    "minLength": integer("Fewest characters of a string.", 64),
    "minProperties": integer("Fewest keys of a map.", 64),
    "minimum": number("Smallest value."),
    "multipleOf": number("Of what the value must be a multiple."),
    "not": reference(_PROPS),
    "nullable": boolean("Whether null is a value."),
    "oneOf": items(_PROPS, "Schemas of which exactly one must hold."),
    "pattern": text("Regular expression that a string must match."),
    "patternProperties": value_map(_PROPS, "Not allowed in structural schemas."),
    "properties": value_map(_PROPS, "The fields."),
    "required": texts("Fields that must be there."),
    "title": text("Short name."),
    "type": text("`object`, `array`, `string`, `integer`, `number` or `boolean`."),
    "uniqueItems": boolean("Not allowed to be true; see `x-kubernetes-list-type`."),
    "x-kubernetes-embedded-resource": boolean("Whether the value is a whole object, with apiVersion and kind."),
    "x-kubernetes-int-or-string": boolean("Whether the value is an integer or a string."),
    "x-kubernetes-list-map-keys": texts("Fields that identify an item of a list of type `map`."),
    "x-kubernetes-list-type": text("`atomic`, `set` or `map`; how lists are merged."),
    "x-kubernetes-map-type": text("`granular` or `atomic`; how objects are merged."),
    "x-kubernetes-preserve-unknown-fields": boolean("Whether fields are kept that the schema does not know."),
    "x-kubernetes-validations": items(
        f"{EXTENSIONS}.ValidationRule", "Rules in CEL.", keys=("rule",), merge_key="rule"
    ),
}

_SCHEMA: Final[dict[str, Schema]] = {
    _PROPS: struct("A JSON schema, with extensions of Kubernetes.", _PROPERTIES),
    f"{EXTENSIONS}.JSON": {"description": "Any JSON value."},
    f"{EXTENSIONS}.JSONSchemaPropsOrBool": {"description": "A schema, or whether anything is allowed."},
    f"{EXTENSIONS}.JSONSchemaPropsOrArray": {"description": "A schema, or several by position."},
    f"{EXTENSIONS}.JSONSchemaPropsOrStringArray": {"description": "A schema, or names of fields."},
    f"{EXTENSIONS}.ExternalDocumentation": struct(
        "Where more is written.", {"description": text("What is written there."), "url": text("Where it is.")}
    ),
    f"{EXTENSIONS}.ValidationRule": struct(
        "A rule in CEL.",
        {
            "fieldPath": text("Field to which a violation is attributed, as `.size`."),
            "message": text("What a violation says."),
            "messageExpression": text("CEL expression of what a violation says."),
            "optionalOldSelf": boolean("Whether a rule about changes also runs when there is no old value."),
            "reason": text(
                "Sort of error.",
                "FieldValueDuplicate",
                "FieldValueForbidden",
                "FieldValueInvalid",
                "FieldValueRequired",
            ),
            "rule": text_or_zero("CEL expression that must be true of `self`."),
        },
        required=("rule",),
    ),
}

COMPONENTS: Final[dict[str, Schema]] = {
    **_DEFINITION,
    **_CONVERSION,
    **_SCHEMA,
    f"{EXTENSIONS}.CustomResourceDefinitionList": kind_list(
        "apiextensions.k8s.io",
        "v1",
        "CustomResourceDefinition",
        f"{EXTENSIONS}.CustomResourceDefinition",
    ),
}
