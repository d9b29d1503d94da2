"""Label selectors within objects (apimachinery, pkg/apis/meta/v1/validation)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.validation.fields import forbidden, invalid, required
from controller_runtime.envtest.apiserver.validation.names import label_value, qualified_name
from controller_runtime.envtest.apiserver.validation.object_meta import validate_labels


def validate_label_selector(selector: Mapping[str, Any], field: str) -> Iterator[FieldError]:
    """A metav1.LabelSelector."""
    yield from validate_labels(selector.get("matchLabels"), f"{field}.matchLabels")
    for index, requirement in enumerate(selector.get("matchExpressions") or ()):
        yield from validate_requirement(requirement, f"{field}.matchExpressions[{index}]")


def validate_requirement(
    requirement: Mapping[str, Any], field: str, *, any_operator: bool = False
) -> Iterator[FieldError]:
    """One of its conditions; `any_operator` accepts operators that newer servers may know."""
    yield from _operator(requirement, field, any_operator)
    key = requirement.get("key") or ""
    yield from (invalid(f"{field}.key", key, text) for text in qualified_name(key))
    for index, value in enumerate(requirement.get("values") or ()):
        yield from (invalid(f"{field}.values[{index}]", value, text) for text in label_value(value))


def validate_field_requirement(
    requirement: Mapping[str, Any], field: str, *, any_operator: bool = False
) -> Iterator[FieldError]:
    """A condition of a field selector, whose keys and values are free."""
    if not requirement.get("key"):
        yield required(f"{field}.key", "must be specified")
    yield from _operator(requirement, field, any_operator)


def _operator(requirement: Mapping[str, Any], field: str, any_operator: bool) -> Iterator[FieldError]:
    values = requirement.get("values")
    match requirement.get("operator") or "":
        case "In" | "NotIn":
            if not values:
                yield required(f"{field}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        case "Exists" | "DoesNotExist":
            if values:
                text = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
                yield forbidden(f"{field}.values", text)
        case operator if not any_operator:
            yield invalid(f"{field}.operator", operator, "not a valid selector operator")
