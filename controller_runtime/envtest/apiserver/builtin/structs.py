"""Built-in kinds as Go's structs, made of their OpenAPI and of what OpenAPI does not say.

Decoding into a struct and writing it again is more than checking: what is empty disappears or is written as a zero
value, times are brought to UTC, null becomes absence. Clients see all of that in what they get back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from controller_runtime.envtest.apiserver.builtin.components import COMPONENTS
from controller_runtime.envtest.apiserver.builtin.go_types import (
    MICRO_MOMENT,
    Anything,
    Boolean,
    Mapped,
    Moment,
    Number,
    NumberOrName,
    Octets,
    OptionalText,
    Pointer,
    Record,
    constant,
    none,
)
from controller_runtime.envtest.apiserver.schema.go_structs import (
    NO_PLACE,
    CoercionError,
    Decoding,
    GoType,
    Items,
    Text,
)

_NAMED: Final = {
    "Secret.type": "v1.SecretType",
    "ServiceSpec.type": "v1.ServiceType",
    "ServiceSpec.sessionAffinity": "v1.ServiceAffinity",
    "ServiceSpec.externalTrafficPolicy": "v1.ServiceExternalTrafficPolicy",
    "ServiceSpec.internalTrafficPolicy": "v1.ServiceInternalTrafficPolicy",
    "ServiceSpec.ipFamilyPolicy": "v1.IPFamilyPolicy",
    "ServiceSpec.ipFamilies": "v1.IPFamily",
    "ServicePort.protocol": "v1.Protocol",
    "PortStatus.protocol": "v1.Protocol",
    "LoadBalancerIngress.ipMode": "v1.LoadBalancerIPMode",
    "NamespaceSpec.finalizers": "v1.FinalizerName",
    "NamespaceStatus.phase": "v1.NamespacePhase",
    "NamespaceCondition.type": "v1.NamespaceConditionType",
    "NamespaceCondition.status": "v1.ConditionStatus",
    "Condition.status": "v1.ConditionStatus",
    "ObjectMeta.uid": "types.UID",
    "OwnerReference.uid": "types.UID",
    "ObjectReference.uid": "types.UID",
    "ManagedFieldsEntry.operation": "v1.ManagedFieldsOperationType",
    "BoundObjectReference.uid": "types.UID",
    "LabelSelectorRequirement.operator": "v1.LabelSelectorOperator",
    "FieldSelectorRequirement.operator": "v1.FieldSelectorOperator",
    "LeaseSpec.strategy": "v1.CoordinatedLeaseStrategy",
    "CustomResourceDefinitionSpec.scope": "v1.ResourceScope",
    "CustomResourceConversion.strategy": "v1.ConversionStrategyType",
    "CustomResourceDefinitionCondition.type": "v1.CustomResourceDefinitionConditionType",
    "CustomResourceDefinitionCondition.status": "v1.ConditionStatus",
    "JSONSchemaProps.$schema": "v1.JSONSchemaURL",
    "ValidationRule.reason": "v1.FieldValueErrorReason",
}
"""Strings that have a type of their own, which messages name."""

_POINTERS: Final = frozenset(
    {
        "Secret.immutable",
        "ConfigMap.immutable",
        "ServiceAccount.automountServiceAccountToken",
        "ServicePort.appProtocol",
        "ClientIPConfig.timeoutSeconds",
        "ServiceSpec.ipFamilyPolicy",
        "ServiceSpec.allocateLoadBalancerNodePorts",
        "ServiceSpec.loadBalancerClass",
        "ServiceSpec.internalTrafficPolicy",
        "ServiceSpec.trafficDistribution",
        "LoadBalancerIngress.ipMode",
        "PortStatus.error",
        "LeaseSpec.holderIdentity",
        "LeaseSpec.leaseDurationSeconds",
        "LeaseSpec.leaseTransitions",
        "LeaseSpec.strategy",
        "LeaseSpec.preferredHolder",
        "TokenRequestSpec.expirationSeconds",
        "OwnerReference.controller",
        "OwnerReference.blockOwnerDeletion",
        "ObjectMeta.deletionGracePeriodSeconds",
        "CustomResourceDefinitionVersion.deprecationWarning",
        "CustomResourceSubresourceScale.labelSelectorPath",
        "WebhookClientConfig.url",
        "ServiceReference.path",
        "ServiceReference.port",
        "ValidationRule.reason",
        "ValidationRule.optionalOldSelf",
        *(
            f"JSONSchemaProps.{name}"
            for name in (
                "$ref",
                "maximum",
                "minimum",
                "maxLength",
                "minLength",
                "maxItems",
                "minItems",
                "multipleOf",
                "maxProperties",
                "minProperties",
                "x-kubernetes-preserve-unknown-fields",
                "x-kubernetes-list-type",
                "x-kubernetes-map-type",
            )
        ),
    }
)
"""Fields that are written if they are set at all, be it to zero."""

_NULL_TIMES: Final = frozenset(
    {
        "Event.firstTimestamp",
        "Event.lastTimestamp",
        "Event.eventTime",
        "Event.deprecatedFirstTimestamp",
        "Event.deprecatedLastTimestamp",
        "EventSeries.lastObservedTime",
        "Condition.lastTransitionTime",
        "NamespaceCondition.lastTransitionTime",
        "CustomResourceDefinitionCondition.lastTransitionTime",
    }
)
"""Times that are written as null when they are not set."""

_NULLS: Final = frozenset({"Role.rules", "ClusterRole.rules", "PolicyRule.verbs", "TokenRequestSpec.boundObjectRef"})
"""Lists and structs that are written as null when they are not set."""

_NOT_WRITTEN: Final = frozenset({"LocalObjectReference.name", "ServicePort.protocol"})
"""Fields that are left out when empty, although their schema has a default."""

_SCHEMA_OR: Final = frozenset({"JSONSchemaPropsOrBool", "JSONSchemaPropsOrArray", "JSONSchemaPropsOrStringArray"})
_PROPS: Final = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
_FLOATS: Final = {"double": "float64"}

_records: dict[str, Record] = {}


def record(component: str) -> Record:
    """The struct of a component, by the component's full name."""
    if component not in _records:
        short = component.rpartition(".")[2]
        made = _records[component] = Record(f"v1.{short}")
        for name, schema in COMPONENTS[component].get("properties", {}).items():
            made.fields[name] = _field(f"{short}.{name}", schema)
            zero = _zero(f"{short}.{name}", schema, made.fields[name])
            if zero is not None:
                made.zeros[name] = zero
    return _records[component]


def coerce(component: str, obj: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """A whole object as Go would write it again, and the paths of fields that its struct does not have.

    Raises:
        CoercionError: something is of a wrong type; the text is Go's.
    """
    decoding = Decoding()
    decoded: dict[str, Any] = record(component).decode(dict(obj), NO_PLACE, decoding)
    if decoding.error:
        raise CoercionError(decoding.error)
    return decoded, decoding.unknown


def _field(path: str, schema: Mapping[str, Any]) -> GoType:
    reference = _reference(schema)
    if reference:
        return _referred(reference, "default" in schema)
    kept = path in _POINTERS or ("default" in schema and path not in _NOT_WRITTEN)
    match schema["type"], schema.get("format", ""):
        case "string", "byte":
            return Octets()
        case "string", _ if path in _POINTERS:
            return OptionalText(_NAMED.get(path, "string"))
        case "string", _:
            return Text(_NAMED.get(path, "string"), keep_empty=kept)
        case "integer", width:
            return Number(width, keep_zero=kept)
        case "number", width:
            return Number(_FLOATS[width], keep_zero=kept)
        case "boolean", _:
            return Boolean(keep_false=kept)
        case "array", _:
            return Items(_element(path, schema["items"]))
        case _ if "additionalProperties" in schema:
            return Mapped(_element(path, schema["additionalProperties"]))
        case _:
            return Anything()


def _element(path: str, schema: Mapping[str, Any]) -> GoType:
    """Items of lists and maps are written even when they are empty."""
    reference = _reference(schema)
    if reference:
        return _referred(reference, True)
    if schema.get("type") == "array":
        return Items(_element(path, schema["items"]))
    if schema.get("format") == "byte":
        return Octets(keep_empty=True)
    return Text(_NAMED.get(path, "string"), keep_empty=True)


def _reference(schema: Mapping[str, Any]) -> str:
    target = schema if "$ref" in schema else next(iter(schema.get("allOf", ())), {})
    return str(target.get("$ref", "")).rpartition("/")[2]


def _referred(component: str, written: bool) -> GoType:
    short = component.rpartition(".")[2]
    if short == "Time":
        return Moment()
    if short == "MicroTime":
        return MICRO_MOMENT
    if short == "IntOrString":
        return NumberOrName()
    if short in _SCHEMA_OR:
        return Anything(record(_PROPS))
    if "properties" not in COMPONENTS[component] and short != "CustomResourceSubresourceStatus":
        return Anything()
    return record(component) if written else Pointer(record(component))


def _zero(path: str, schema: Mapping[str, Any], type_: GoType) -> Any:
    if path in _NULL_TIMES or path in _NULLS:
        return none
    if "default" not in schema or path in _NOT_WRITTEN:
        return None
    return type_.zero if isinstance(type_, Record) else constant(schema["default"])
