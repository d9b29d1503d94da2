"""ObjectMeta of any kind, at its creation and at an update (apimachinery, pkg/api/validation/objectmeta.go)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.validation.fields import forbidden, invalid, required, shown, too_long
from controller_runtime.envtest.apiserver.validation.names import NameRule, dns_label, label_value, qualified_name

IMMUTABLE: Final = "field is immutable"
ANNOTATIONS_LIMIT: Final = 256 * 1024  # bytes of all keys and values
_MANAGER_LIMIT: Final = 128  # bytes
_SUBRESOURCE_LIMIT: Final = 256  # bytes
_FIXED: Final = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")
_OWNER_FIELDS: Final = ("apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion")


def validate_object_meta(meta: Mapping[str, Any], *, namespaced: bool, name_rule: NameRule) -> list[FieldError]:
    """Of an object whose name has been generated already."""
    found = list(_names(meta, name_rule))
    found += _namespace(meta, namespaced)
    if (generation := meta.get("generation") or 0) < 0:
        found.append(invalid("metadata.generation", generation, "must be greater than or equal to 0"))
    found += validate_labels(meta.get("labels"), "metadata.labels")
    found += validate_annotations(meta.get("annotations"))
    found += _owner_references(meta.get("ownerReferences"))
    found += _finalizers(meta.get("finalizers"))
    found += _managed_fields(meta.get("managedFields"))
    return found


def validate_object_meta_update(meta: Mapping[str, Any], old: Mapping[str, Any]) -> list[FieldError]:
    """What an update may not change, and what it must keep in order."""
    found: list[FieldError] = []
    if old.get("deletionTimestamp"):
        found += _new_finalizers(meta.get("finalizers") or (), old.get("finalizers") or ())
    if not meta.get("resourceVersion"):
        found.append(invalid("metadata.resourceVersion", "", "must be specified for an update"))
    if (generation := meta.get("generation") or 0) < (old.get("generation") or 0):
        found.append(invalid("metadata.generation", generation, "must not be decremented"))
    found += [
        invalid(f"metadata.{name}", _or_zero(name, meta.get(name)), IMMUTABLE)
        for name in _FIXED
        if _or_zero(name, meta.get(name)) != _or_zero(name, old.get(name))
    ]
    found += validate_labels(meta.get("labels"), "metadata.labels")
    found += validate_annotations(meta.get("annotations"))
    found += _owner_references(meta.get("ownerReferences"))
    found += _managed_fields(meta.get("managedFields"))
    return found


def validate_labels(labels: Mapping[str, str] | None, field: str) -> Iterator[FieldError]:
    """Of an object, or what a selector asks for."""
    for key, value in sorted((labels or {}).items()):
        yield from (invalid(field, key, text) for text in qualified_name(key))
        yield from (invalid(field, value, text) for text in label_value(value))


def validate_annotations(annotations: Mapping[str, str] | None) -> Iterator[FieldError]:
    """Keys are like those of labels, in any case; values are free, within a total size."""
    field = "metadata.annotations"
    total = 0
    for key, value in sorted((annotations or {}).items()):
        yield from (invalid(field, key, text) for text in qualified_name(key.lower()))
        total += len(key.encode()) + len(value.encode())
    if total > ANNOTATIONS_LIMIT:
        yield too_long(field, ANNOTATIONS_LIMIT)


def validate_finalizer(name: str, field: str) -> Iterator[FieldError]:
    """A finalizer's name."""
    return (invalid(field, name, text) for text in qualified_name(name))


def _names(meta: Mapping[str, Any], rule: NameRule) -> Iterator[FieldError]:
    if prefix := meta.get("generateName"):
        yield from (invalid("metadata.generateName", prefix, text) for text in rule(prefix, True))
    if name := meta.get("name"):
        yield from (invalid("metadata.name", name, text) for text in rule(name, False))
    else:
        yield required("metadata.name", "name or generateName is required")


def _namespace(meta: Mapping[str, Any], namespaced: bool) -> Iterator[FieldError]:
    field, namespace = "metadata.namespace", meta.get("namespace") or ""
    if namespace and not namespaced:
        yield forbidden(field, "not allowed on this type")
    elif namespaced and not namespace:
        yield required(field)
    elif namespaced:
        yield from (invalid(field, namespace, text) for text in dns_label(namespace))


def _owner_references(owners: Sequence[Mapping[str, Any]] | None) -> Iterator[FieldError]:
    field, controller = "metadata.ownerReferences", ""
    for owner in owners or ():
        yield from _owner_reference(owner, field)
        if owner.get("controller"):
            name = f"{owner.get('kind', '')}/{owner.get('name', '')}"
            if controller:
                yield invalid(
                    field,
                    [_ordered(each) for each in owners or ()],
                    'Only one reference can have Controller set to true. Found "true" in references for'
                    f" {controller} and {name}",
                )
            else:
                controller = name


def _owner_reference(owner: Mapping[str, Any], field: str) -> Iterator[FieldError]:
    api_version = owner.get("apiVersion") or ""
    if not api_version.rpartition("/")[2] or api_version.count("/") > 1:
        yield invalid(f"{field}.apiVersion", api_version, "version must not be empty")
    for name in ("kind", "name", "uid"):
        if not owner.get(name):
            yield invalid(f"{field}.{name}", "", "must not be empty")
    if (api_version, owner.get("kind")) == ("v1", "Event"):
        yield invalid(field, _ordered(owner), "/v1, Kind=Event is disallowed from being an owner")


def _ordered(owner: Mapping[str, Any]) -> dict[str, Any]:
    return {name: owner.get(name, "") for name in _OWNER_FIELDS if name in owner or name in _OWNER_FIELDS[:4]}


def _finalizers(finalizers: Sequence[str] | None) -> Iterator[FieldError]:
    field = "metadata.finalizers"
    for name in finalizers or ():
        yield from validate_finalizer(name, field)
    if finalizers and {"orphan", "foregroundDeletion"} <= set(finalizers):
        yield invalid(field, list(finalizers), "finalizer orphan and foregroundDeletion cannot be both set")


def _new_finalizers(finalizers: Sequence[str], old: Sequence[str]) -> Iterator[FieldError]:
    if extra := sorted(set(finalizers) - set(old)):
        listed = ", ".join(map(shown, extra))
        yield forbidden(
            "metadata.finalizers",
            f"no new finalizers can be added if the object is being deleted, found new finalizers []string{{{listed}}}",
        )


def _managed_fields(entries: Sequence[Mapping[str, Any]] | None) -> Iterator[FieldError]:
    for index, entry in enumerate(entries or ()):
        field = f"metadata.managedFields[{index}]"
        if (operation := entry.get("operation") or "") not in {"Apply", "Update"}:
            yield invalid(f"{field}.operation", operation, "must be `Apply` or `Update`")
        if (fields_type := entry.get("fieldsType") or "FieldsV1") != "FieldsV1":
            yield invalid(f"{field}.fieldsType", fields_type, "must be `FieldsV1`")
        yield from validate_field_manager(entry.get("manager") or "", f"{field}.manager")
        if len((entry.get("subresource") or "").encode()) > _SUBRESOURCE_LIMIT:
            yield too_long(f"{field}.subresource", _SUBRESOURCE_LIMIT)


def validate_field_manager(manager: str, field: str) -> Iterator[FieldError]:
    """The name under which somebody owns fields."""
    if len(manager.encode()) > _MANAGER_LIMIT:
        yield too_long(field, _MANAGER_LIMIT)
    position = 0
    for character in manager:
        if not character.isprintable():
            yield invalid(field, manager, f"invalid character U+{ord(character):04X} (at position {position})")
        position += len(character.encode())


def _or_zero(name: str, value: Any) -> Any:
    """What the field holds if it is not there."""
    if value is None and name in _FIXED[:3]:
        return ""
    return value
