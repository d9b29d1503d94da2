"""What is wrong with a CustomResourceDefinition (apiextensions-apiserver, pkg/apis/apiextensions/validation).

Not checked: expressions in CEL, and the certificates of conversion webhooks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from controller_runtime.envtest.apiserver.crds.definition import walk
from controller_runtime.envtest.apiserver.crds.internal import (
    InternalSpec,
    go_versions,
    internal_spec,
)
from controller_runtime.envtest.apiserver.crds.names import is_established
from controller_runtime.envtest.apiserver.crds.version_rules import (
    column_errors,
    has_status_subresource,
    selectable_field_errors,
    subresource_errors,
    validation_errors,
    version_errors,
)
from controller_runtime.envtest.apiserver.errors import FieldError
from controller_runtime.envtest.apiserver.schema.field_errors import (
    forbidden,
    invalid,
    not_supported,
    required,
)
from controller_runtime.envtest.apiserver.schema.labels import dns1035_label
from controller_runtime.envtest.apiserver.schema.uris import is_request_uri, split_uri
from controller_runtime.envtest.apiserver.validation.names import dns_subdomain
from controller_runtime.envtest.apiserver.validation.object_meta import (
    IMMUTABLE,
    validate_object_meta,
    validate_object_meta_update,
)

_APPROVAL: Final = "api-approved.kubernetes.io"
_PROTECTED: Final = re.compile(r"(?:.*\.)?(?:k8s|kubernetes)\.io")


def validate_crd(crd: Mapping[str, Any], old: Mapping[str, Any] | None = None) -> list[FieldError]:
    """What is wrong with a new definition, or with an update of `old`.

    Args:
        crd: completed by `crds.default_crd` and prepared.
        old: the stored definition.
    """
    spec: Mapping[str, Any] = crd.get("spec") or {}
    errors = _metadata(crd) if old is None else validate_object_meta_update(crd["metadata"], old["metadata"])
    errors += _spec(internal_spec(spec))
    if old is not None:
        errors += _immutable(spec, old["spec"], established=is_established(old))
    status = crd.get("status") or {}
    errors += _names(status.get("acceptedNames") or {}, "status.acceptedNames")
    errors += _stored_versions(status.get("storedVersions") or [], spec.get("versions") or ())
    errors += _approval(crd, old)
    if spec.get("preserveUnknownFields"):
        detail = (
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"
        )
        errors.append(invalid("spec.preserveUnknownFields", True, detail))
    return errors


def validate_crd_status(crd: Mapping[str, Any], old: Mapping[str, Any]) -> list[FieldError]:
    """What is wrong with an update of the status of `old`."""
    accepted = (crd.get("status") or {}).get("acceptedNames") or {}
    return [*validate_object_meta_update(crd["metadata"], old["metadata"]), *_names(accepted, "status.acceptedNames")]


def _metadata(crd: Mapping[str, Any]) -> list[FieldError]:
    spec = crd.get("spec") or {}
    wanted = f"{(spec.get('names') or {}).get('plural', '')}.{spec.get('group', '')}"

    def name_rule(name: str, prefix: bool) -> Sequence[str]:
        problems = list(dns_subdomain(name, prefix))
        return problems if name == wanted else [*problems, 'must be spec.names.plural+"."+spec.group']

    return validate_object_meta(crd["metadata"], namespaced=False, name_rule=name_rule)


def _spec(spec: InternalSpec) -> Iterator[FieldError]:
    source, names = spec.source, spec.source.get("names") or {}
    yield from _group(source.get("group") or "")
    yield from _one_of("spec.scope", source.get("scope") or "", ("Cluster", "Namespaced"))
    if (spec.shared.get("schema") or {}).get("openAPIV3Schema") is None:
        for index, version in enumerate(spec.versions):
            if (version.get("schema") or {}).get("openAPIV3Schema") is None:
                yield required(f"spec.versions[{index}].schema.openAPIV3Schema")
    has_defaults = any(
        each.get("default") is not None
        for version in source.get("versions") or ()
        if (schema := (version.get("schema") or {}).get("openAPIV3Schema")) is not None
        for each in walk(schema)
    )
    if has_defaults and source.get("preserveUnknownFields"):
        yield invalid("spec.preserveUnknownFields", True, "must be false in order to use defaults in the schema")
    yield from _versions(spec)
    for name in ("plural", "singular", "kind", "listKind"):
        if not names.get(name):
            yield required(f"spec.names.{name}")
    yield from _names(names, "spec.names")
    yield from _shared(spec)
    yield from _conversion(source.get("conversion"))


def _group(group: str) -> Iterator[FieldError]:
    if not group:
        yield required("spec.group")
    elif problems := dns_subdomain(group):
        yield invalid("spec.group", group, ",".join(problems))
    elif "." not in group:
        yield invalid("spec.group", group, "should be a domain with at least one dot")


def _one_of(path: str, value: str, accepted: Sequence[str]) -> Iterator[FieldError]:
    if not value:
        yield required(path)
    elif value not in accepted:
        yield not_supported(path, value, accepted)


def _versions(spec: InternalSpec) -> Iterator[FieldError]:
    names = [version.get("name") or "" for version in spec.versions]
    for index, version in enumerate(spec.versions):
        path = f"spec.versions[{index}]"
        if problems := dns1035_label(names[index]):
            yield invalid(f"{path}.name", names[index], ",".join(problems))
        yield from version_errors(version, path, spec)
    if len(set(names)) < len(names):
        yield invalid("spec.versions", go_versions(spec), "must contain unique version names")
    if sum(bool(version.get("storage")) for version in spec.versions) != 1:
        detail = "must have exactly one version marked as storage version"
        yield invalid("spec.versions", go_versions(spec), detail)
    if names and names[0] and (problems := dns1035_label(names[0])):
        yield invalid("spec.version", names[0], ",".join(problems))


def _shared(spec: InternalSpec) -> Iterator[FieldError]:
    """What all versions have in common."""
    versions: Sequence[Mapping[str, Any]] = spec.source.get("versions") or ()
    has_status = any(has_status_subresource(version.get("subresources")) for version in versions)
    yield from validation_errors(spec.shared.get("schema"), "spec.validation", has_status=has_status)
    yield from subresource_errors(spec.shared.get("subresources"), "spec.subresources")
    yield from column_errors(spec.shared.get("additionalPrinterColumns"), "spec")
    if fields := spec.shared.get("selectableFields"):
        if (schema := spec.shared.get("schema")) is None:
            detail = "may only be set when validations.schema is included"
            yield invalid("spec.selectableFields", "", detail)
        else:
            yield from selectable_field_errors(fields, schema.get("openAPIV3Schema") or {}, "spec.selectableFields")


def _conversion(conversion: Mapping[str, Any] | None) -> Iterator[FieldError]:
    if conversion is None:
        return
    path, strategy = "spec.conversion", conversion.get("strategy") or ""
    yield from _one_of(f"{path}.strategy", strategy, ("None", "Webhook"))
    webhook = conversion.get("webhook")
    if strategy != "Webhook":
        unwanted = "should not be set when strategy is not set to Webhook"
        if webhook is not None and webhook.get("clientConfig") is not None:
            yield forbidden(f"{path}.webhookClientConfig", unwanted)
        if webhook is not None and webhook.get("conversionReviewVersions"):
            yield forbidden(f"{path}.conversionReviewVersions", unwanted)
        return
    config = (webhook or {}).get("clientConfig")
    if config is None:
        yield required(f"{path}.webhookClientConfig", "required when strategy is set to Webhook")
    elif (config.get("url") is None) == (config.get("service") is None):
        yield required(f"{path}.webhookClientConfig", "exactly one of url or service is required")
    yield from _review_versions((webhook or {}).get("conversionReviewVersions") or [], path)


def _review_versions(versions: list[str], path: str) -> Iterator[FieldError]:
    place = f"{path}.conversionReviewVersions"
    if not versions:
        yield required(place)
        return
    for index, version in enumerate(versions):
        if version in versions[:index]:
            yield invalid(f"{place}[{index}]", version, "duplicate version")
            continue
        for problem in dns1035_label(version):
            yield invalid(f"{place}[{index}]", version, problem)
    if not {"v1", "v1beta1"} & set(versions):
        yield invalid(place, versions, "must include at least one of v1, v1beta1")


def _names(names: Mapping[str, Any], path: str) -> Iterator[FieldError]:
    for name in ("plural", "singular"):
        if names.get(name) and (problems := dns1035_label(names[name])):
            yield invalid(f"{path}.{name}", names[name], ",".join(problems))
    for name in ("kind", "listKind"):
        if names.get(name) and (problems := dns1035_label(names[name].lower())):
            detail = f"may have mixed case, but should otherwise match: {','.join(problems)}"
            yield invalid(f"{path}.{name}", names[name], detail)
    yield from _labels(names.get("shortNames"), f"{path}.shortNames")
    if names.get("kind") and names["kind"] == names.get("listKind"):
        yield invalid(f"{path}.listKind", names["listKind"], "kind and listKind may not be the same")
    yield from _labels(names.get("categories"), f"{path}.categories")


def _labels(values: Sequence[str] | None, path: str) -> Iterator[FieldError]:
    for index, value in enumerate(values or ()):
        if problems := dns1035_label(value):
            yield invalid(f"{path}[{index}]", value, ",".join(problems))


def _immutable(spec: Mapping[str, Any], old: Mapping[str, Any], *, established: bool) -> Iterator[FieldError]:
    fields = [("group",), ("names", "plural")]
    if established:
        fields = [("scope",), ("names", "kind"), *fields]
    for field in fields:
        new_value, old_value = _at(spec, field), _at(old, field)
        if new_value != old_value:
            yield invalid(f"spec.{'.'.join(field)}", new_value, IMMUTABLE)


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        value = (value or {}).get(name)
    return value or ""


def _stored_versions(stored: list[str], versions: Sequence[Mapping[str, Any]]) -> Iterator[FieldError]:
    path = "status.storedVersions"
    if not stored:
        yield invalid(path, stored or None, "must have at least one stored version")
        return
    missing = {name: index for index, name in enumerate(stored)}
    for version in versions:
        # What has been found is not looked for again, even under the same name.
        if missing.pop(version.get("name", ""), None) is None and version.get("storage"):
            yield invalid(path, stored, f"must have the storage version {version.get('name', '')}")
    for name, index in missing.items():
        yield invalid(
            f"{path}[{index}]",
            name,
            f"missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions"
            f" until a storage migration ensures no data remains persisted in {name} and removes {name} from"
            " status.storedVersions",
        )


def _approval(crd: Mapping[str, Any], old: Mapping[str, Any] | None) -> Iterator[FieldError]:
    """Groups of Kubernetes itself are for kinds that were reviewed."""
    if not _PROTECTED.fullmatch((crd.get("spec") or {}).get("group") or ""):
        return
    approval = _approval_of(crd)
    if old is not None and _state(_approval_of(old)) == _state(approval):
        return
    path = f"metadata.annotations[{_APPROVAL}]"
    see = "see https://github.com/kubernetes/enhancements/pull/1111"
    must = f'protected groups must have approval annotation "{_APPROVAL}"'
    if _state(approval) == "missing":
        yield required(path, f"{must}, {see}")
    elif _state(approval) == "invalid":
        reason = f'{must} with either a URL or a reason starting with "unapproved", {see}'
        yield invalid(path, approval, reason)


def _approval_of(crd: Mapping[str, Any]) -> str:
    return str((crd["metadata"].get("annotations") or {}).get(_APPROVAL) or "")


def _state(approval: str) -> str:
    if not approval:
        return "missing"
    if approval.startswith("unapproved"):
        return "bypassed"
    return "approved" if is_request_uri(approval) and all(split_uri(approval)) else "invalid"
