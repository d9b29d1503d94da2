"""Kinds of Kubernetes itself, and the rules that only they have."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

import pytest

from tests.integration.conformance.conftest import Place, configmap
from tests.integration.conformance.rest import Api, names

NAMESPACES = "/api/v1/namespaces"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def secret(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **more}


def service(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"ports": [{"port": 80}], **spec}}


def lease(name: str, **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": spec}


def leases(place: Place) -> str:
    return f"/apis/coordination.k8s.io/v1/namespaces/{place.namespace}/leases"


def new_events(place: Place) -> str:
    return f"/apis/events.k8s.io/v1/namespaces/{place.namespace}/events"


def about(place: Place) -> dict[str, str]:
    return {"kind": "ConfigMap", "name": "x", "namespace": place.namespace, "apiVersion": "v1"}


# Secrets and ConfigMaps.


def test_texts_of_a_secret_become_data(api: Api, place: Place) -> None:
    document = secret("a", stringData={"x": "1", "y": "2"}, data={"x": encoded("0"), "z": encoded("3")})
    body = api.create(place.core("secrets"), document)
    assert body["data"] == {"x": encoded("1"), "y": encoded("2"), "z": encoded("3")}
    assert "stringData" not in body


def test_a_secret_is_opaque_by_default(api: Api, place: Place) -> None:
    assert api.create(place.core("secrets"), secret("a"))["type"] == "Opaque"


def test_the_type_of_a_secret_does_not_change(api: Api, place: Place) -> None:
    api.create(place.core("secrets"), secret("a"))
    answer = api.patch(f"{place.core('secrets')}/a", {"type": "e.com/x"})
    message = 'Invalid value: "e.com/x": field is immutable'
    assert answer.verdict == (422, "Invalid", f'Secret "a" is invalid: type: {message}')


def test_data_of_a_secret_is_base64(api: Api, place: Place) -> None:
    answer = api.post(place.core("secrets"), secret("a", data={"x": "%%"}))
    assert answer.verdict == (
        400,
        "BadRequest",
        'Secret in version "v1" cannot be handled as a Secret: illegal base64 data at input byte 0',
    )


def test_a_tls_secret_needs_its_keys(api: Api, place: Place) -> None:
    answer = api.post(place.core("secrets"), secret("a", type="kubernetes.io/tls"))
    assert answer.causes == [("FieldValueRequired", f"data[{key}]", "Required value") for key in ("tls.crt", "tls.key")]


@pytest.mark.parametrize("plural", ["secrets", "configmaps"])
def test_what_is_immutable_stays(api: Api, place: Place, plural: str) -> None:
    kind = {"secrets": "Secret", "configmaps": "ConfigMap"}[plural]
    value = encoded("1") if plural == "secrets" else "1"
    path = f"{place.core(plural)}/a"
    api.create(place.core(plural), {"metadata": {"name": "a"}, "data": {"x": value}, "immutable": True})
    message = "Forbidden: field is immutable when `immutable` is set"
    answer = api.patch(path, {"data": {"x": value + "AA" if plural == "configmaps" else encoded("2")}})
    assert answer.verdict == (422, "Invalid", f'{kind} "a" is invalid: data: {message}')
    answer = api.patch(path, {"immutable": False})
    assert answer.verdict == (422, "Invalid", f'{kind} "a" is invalid: immutable: {message}')
    assert api.patch(path, {"metadata": {"labels": {"x": "1"}}}).status == 200


def test_keys_of_data_are_file_names(api: Api, place: Place) -> None:
    answer = api.post(place.configmaps, configmap("a", {"a b": "1"}))
    message = (
        "Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
        "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
    )
    assert answer.verdict == (422, "Invalid", f'ConfigMap "a" is invalid: data[a b]: {message}')


def test_a_configmap_is_no_larger_than_a_mebibyte(api: Api, place: Place) -> None:
    answer = api.post(place.configmaps, configmap("a", {"x": "y" * (2**20 + 1)}))
    assert answer.verdict == (
        422,
        "Invalid",
        'ConfigMap "a" is invalid: []: Too long: may not be more than 1048576 bytes',
    )


def test_binary_data_shares_no_key_with_data(api: Api, place: Place) -> None:
    answer = api.post(place.configmaps, {**configmap("a", {"x": "1"}), "binaryData": {"x": encoded("1")}})
    assert answer.verdict[:2] == (422, "Invalid")
    assert "duplicate of key present in binaryData" in answer.verdict[2]


# Services.


def test_a_service_gets_an_address_and_defaults(api: Api, place: Place) -> None:
    spec = api.create(place.core("services"), service("a", selector={"x": "y"}))["spec"]
    address = spec.pop("clusterIP")
    assert address.startswith("10.0.0.")
    assert spec == {
        "clusterIPs": [address],
        "internalTrafficPolicy": "Cluster",
        "ipFamilies": ["IPv4"],
        "ipFamilyPolicy": "SingleStack",
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "selector": {"x": "y"},
        "sessionAffinity": "None",
        "type": "ClusterIP",
    }


def test_a_service_has_an_empty_status(api: Api, place: Place) -> None:
    assert api.create(place.core("services"), service("a"))["status"] == {"loadBalancer": {}}


def test_a_headless_service_has_no_address(api: Api, place: Place) -> None:
    spec = api.create(place.core("services"), service("a", clusterIP="None"))["spec"]
    assert (spec["clusterIP"], spec["clusterIPs"]) == ("None", ["None"])


def test_an_address_is_given_once(api: Api, place: Place) -> None:
    address = api.create(place.core("services"), service("a"))["spec"]["clusterIP"]
    answer = api.post(place.core("services"), service("b", clusterIP=address))
    message = f'Invalid value: "{address}": failed to allocate IP {address}: provided IP is already allocated'
    assert answer.verdict[:2] == (422, "Invalid")
    assert answer.verdict[2].startswith(f'Service "b" is invalid: spec.clusterIPs: {message.partition(":")[0]}')
    assert "provided IP is already allocated" in answer.verdict[2]


def test_an_address_does_not_change(api: Api, place: Place) -> None:
    created = api.create(place.core("services"), service("a"))
    body = api.put(f"{place.core('services')}/a", service("a", selector={"x": "y"})).expect(200)
    assert body["spec"]["clusterIP"] == created["spec"]["clusterIP"]
    answer = api.patch(
        f"{place.core('services')}/a", {"spec": {"clusterIP": "10.0.0.250", "clusterIPs": ["10.0.0.250"]}}
    )
    assert answer.verdict[:2] == (422, "Invalid")
    assert "spec.clusterIPs[0]: Invalid value" in answer.verdict[2]
    assert "may not change once set" in answer.verdict[2]


def test_ports_of_a_service_are_named_if_there_are_several(api: Api, place: Place) -> None:
    answer = api.post(place.core("services"), service("a", ports=[{"port": 1}, {"port": 2}]))
    assert answer.causes == [
        ("FieldValueRequired", f"spec.ports[{number}].name", "Required value") for number in (0, 1)
    ]


def test_a_service_is_a_dns_label(api: Api, place: Place) -> None:
    assert api.post(place.core("services"), service("1a")).status == 201
    answer = api.post(place.core("services"), service("A"))
    assert answer.verdict[:2] == (422, "Invalid")
    assert 'metadata.name: Invalid value: "A": a lowercase RFC 1123 label must consist of' in answer.verdict[2]


# Namespaces.


def test_a_namespace_is_active_and_labelled_with_its_name(api: Api, unique: Callable[[str], str]) -> None:
    name = unique("ns")
    body = api.create(NAMESPACES, {"metadata": {"name": name}})
    assert body["metadata"]["labels"] == {"kubernetes.io/metadata.name": name}
    assert body["spec"] == {"finalizers": ["kubernetes"]}
    assert body["status"] == {"phase": "Active"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        pytest.param("a.b", "must not contain dots", id="dot"),
        pytest.param(
            "A", "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-'", id="A"
        ),
        pytest.param("a" * 64, "must be no more than 63 characters", id="too long"),
    ],
)
def test_a_namespace_is_a_dns_label(api: Api, name: str, text: str) -> None:
    answer = api.post(NAMESPACES, {"metadata": {"name": name}})
    assert answer.verdict[:2] == (422, "Invalid")
    assert f'metadata.name: Invalid value: "{name}": {text}' in answer.verdict[2]


def test_the_first_namespaces_are_there(api: Api) -> None:
    assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= set(names(api.get(NAMESPACES).expect(200)))


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public"])
def test_the_first_namespaces_are_not_deleted(api: Api, name: str) -> None:
    answer = api.delete(f"{NAMESPACES}/{name}")
    text = f'namespaces "{name}" is forbidden: this namespace may not be deleted'
    assert answer.verdict == (403, "Forbidden", text)


def test_the_label_of_a_namespace_comes_back(api: Api, place: Place) -> None:
    path = f"{NAMESPACES}/{place.namespace}"
    body = api.patch(path, {"metadata": {"labels": {"kubernetes.io/metadata.name": None}}}).expect(200)
    assert body["metadata"]["labels"] == {"kubernetes.io/metadata.name": place.namespace}


def test_finalizers_of_a_namespace_have_a_subresource(api: Api, place: Place) -> None:
    path = f"{NAMESPACES}/{place.namespace}"
    body = api.get(path).expect(200)
    wanted = {"finalizers": ["kubernetes", "e.com/f"]}
    body = api.put(path, {**body, "spec": wanted}).expect(200)
    assert body["spec"] == {"finalizers": ["kubernetes"]}
    assert api.put(f"{path}/finalize", {**body, "spec": wanted}).expect(200)["spec"] == wanted


# Events: one store, two groups.


def test_an_event_is_seen_in_both_groups(api: Api, place: Place) -> None:
    document = {
        "metadata": {"name": "e"},
        "involvedObject": about(place),
        "reason": "Ready",
        "message": "it is",
        "type": "Normal",
        "source": {"component": "me"},
        "count": 3,
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-02T00:00:00Z",
    }
    created = api.create(place.core("events"), document)
    other = api.get(f"{new_events(place)}/e").expect(200)
    assert (other["kind"], other["apiVersion"]) == ("Event", "events.k8s.io/v1")
    assert other["metadata"]["uid"] == created["metadata"]["uid"]
    assert (other["regarding"], other["note"], other["reason"]) == (about(place), "it is", "Ready")
    assert (other["deprecatedCount"], other["deprecatedSource"]) == (3, {"component": "me"})
    assert other["deprecatedFirstTimestamp"] == "2026-01-01T00:00:00Z"
    assert "involvedObject" not in other


def test_a_new_event_is_seen_in_the_core_group(api: Api, place: Place) -> None:
    document = {
        "metadata": {"name": "e"},
        "regarding": about(place),
        "reason": "Ready",
        "note": "it is",
        "type": "Normal",
        "action": "Looked",
        "reportingController": "e.com/me",
        "reportingInstance": "me-1",
        "eventTime": "2026-01-01T00:00:00.123456Z",
    }
    api.create(new_events(place), document)
    other = api.get(f"{place.core('events')}/e").expect(200)
    assert (other["involvedObject"], other["message"]) == (about(place), "it is")
    assert (other["reportingComponent"], other["reportingInstance"]) == ("e.com/me", "me-1")
    assert other["eventTime"] == "2026-01-01T00:00:00.123456Z"
    assert other["firstTimestamp"] is None


def test_an_event_lives_where_its_object_does(api: Api, place: Place) -> None:
    document = {"metadata": {"name": "e"}, "involvedObject": {**about(place), "namespace": "other"}}
    answer = api.post(place.core("events"), document)
    assert answer.verdict[:2] == (422, "Invalid")
    assert 'involvedObject.namespace: Invalid value: "other": does not match event.namespace' in answer.verdict[2]


def test_a_new_event_needs_its_reporter(api: Api, place: Place) -> None:
    document = {"metadata": {"name": "e"}, "regarding": about(place), "eventTime": "2026-01-01T00:00:00.000000Z"}
    answer = api.post(new_events(place), document)
    assert {field for _, field, _ in answer.causes} == {
        "reportingController",
        "reportingInstance",
        "action",
        "reason",
        "type",
    }


def test_a_series_grows_by_a_patch(api: Api, place: Place) -> None:
    document = {"metadata": {"name": "e"}, "involvedObject": about(place), "count": 1}
    api.create(place.core("events"), document)
    assert api.patch(f"{place.core('events')}/e", {"count": 2}).expect(200)["count"] == 2


# Leases.


def test_a_lease_keeps_microseconds(api: Api, place: Place) -> None:
    spec = {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.123456Z"}
    assert api.create(leases(place), lease("a", **spec))["spec"] == spec


def test_a_lease_is_taken_over_by_its_version(api: Api, place: Place) -> None:
    stale = api.create(leases(place), lease("a", holderIdentity="me"))
    api.put(f"{leases(place)}/a", {**stale, "spec": {"holderIdentity": "you"}}).expect(200)
    answer = api.put(f"{leases(place)}/a", {**stale, "spec": {"holderIdentity": "her"}})
    assert answer.verdict == (
        409,
        "Conflict",
        (
            'Operation cannot be fulfilled on leases.coordination.k8s.io "a": the object has been modified; please '
            "apply your "
            "changes to the latest version and try again"
        ),
    )


def test_a_lease_lasts_some_time(api: Api, place: Place) -> None:
    answer = api.post(leases(place), lease("a", leaseDurationSeconds=0))
    message = "Invalid value: 0: must be greater than 0"
    assert answer.verdict == (
        422,
        "Invalid",
        f'Lease.coordination.k8s.io "a" is invalid: spec.leaseDurationSeconds: {message}',
    )


def test_a_time_of_a_lease_is_a_time(api: Api, place: Place) -> None:
    answer = api.post(leases(place), lease("a", renewTime="now"))
    assert answer.verdict[:2] == (400, "BadRequest")
    assert answer.verdict[2].startswith('Lease in version "v1" cannot be handled as a Lease: parsing time "now" as ')


# ServiceAccounts.


def test_a_service_account_gets_tokens(api: Api, place: Place) -> None:
    accounts = place.core("serviceaccounts")
    api.create(accounts, {"metadata": {"name": "a"}})
    answer = api.post(f"{accounts}/a/token", {"spec": {"expirationSeconds": 600}})
    body = answer.expect(201)
    assert body["kind"] == "TokenRequest"
    assert body["status"]["token"].count(".") == 2
    reviewed = api.create("/apis/authentication.k8s.io/v1/tokenreviews", {"spec": {"token": body["status"]["token"]}})
    assert reviewed["status"]["user"]["username"] == f"system:serviceaccount:{place.namespace}:a"
    assert set(reviewed["status"]["user"]["groups"]) >= {
        "system:serviceaccounts",
        f"system:serviceaccounts:{place.namespace}",
    }
