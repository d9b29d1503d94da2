"""IPXEBootConfig and HTTPBootConfig as Python objects: what decodes, what is written, what is asked of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.v1alpha1 import (
    BootConfig,
    BootConfigStatus,
    ConditionType,
    HTTPBootConfig,
    HTTPBootConfigSpec,
    IPXEBootConfig,
    IPXEBootConfigSpec,
    Reason,
    SecretReference,
    State,
)
from controller_runtime.apimachinery import Condition, ObjectMeta, decode, encode, to_json_value

FULL_IPXE = {
    "apiVersion": "boot.ironcore.dev/v1alpha1",
    "kind": "IPXEBootConfig",
    "metadata": {"name": "a", "namespace": "ns"},
    "spec": {
        "systemUUID": "11111111-1111-1111-1111-111111111111",
        "systemIPs": ["192.0.2.1", "2001:db8::1"],
        "image": "old",
        "kernelURL": "http://boot.example.com/kernel",
        "initrdURL": "http://boot.example.com/initrd",
        "squashfsURL": "http://boot.example.com/squashfs",
        "ipxeServerURL": "http://boot.example.com",
        "ignitionSecretRef": {"name": "ignition"},
        "ipxeScriptSecretRef": {"name": "script"},
    },
    "status": {
        "state": "Ready",
        "conditions": [
            {
                "type": "Ready",
                "status": "True",
                "reason": "ConfigurationValid",
                "message": "",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
                "observedGeneration": 3,
            }
        ],
    },
}
FULL_HTTP = {
    "apiVersion": "boot.ironcore.dev/v1alpha1",
    "kind": "HTTPBootConfig",
    "metadata": {"name": "a", "namespace": "ns"},
    "spec": {
        "systemUUID": "11111111-1111-1111-1111-111111111111",
        "networkIdentifiers": ["192.0.2.1", "02:00:00:00:00:01"],
        "ukiURL": "http://boot.example.com/uki.efi",
        "ignitionSecretRef": {"name": "ignition"},
    },
    "status": FULL_IPXE["status"],
}
KINDS = [pytest.param(IPXEBootConfig, id="IPXEBootConfig"), pytest.param(HTTPBootConfig, id="HTTPBootConfig")]


@pytest.mark.parametrize(
    ("kind", "document"),
    [pytest.param(IPXEBootConfig, FULL_IPXE, id="ipxe"), pytest.param(HTTPBootConfig, FULL_HTTP, id="http")],
)
def test_every_field_survives_decoding_and_encoding(kind: type[BootConfig], document: dict[str, Any]) -> None:
    assert json.loads(encode(decode(kind, json.dumps(document).encode()))) == document


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "document",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"spec": {}, "status": {}}, id="empty parts"),
        pytest.param({"metadata": None, "spec": None, "status": None}, id="null parts"),
        pytest.param({"spec": {"systemUUID": None, "kernelURL": None, "ukiURL": None}}, id="null texts"),
        pytest.param({"spec": {"systemUUID": "", "kernelURL": "", "initrdURL": "", "ukiURL": ""}}, id="blank texts"),
        pytest.param({"spec": {"systemIPs": None, "networkIdentifiers": None}}, id="null lists"),
        pytest.param({"spec": {"ignitionSecretRef": None, "ipxeScriptSecretRef": None}}, id="null references"),
        pytest.param({"status": {"state": None, "conditions": None}}, id="null status fields"),
        pytest.param({"spec": {"future": {"a": [1]}}, "future": True}, id="unknown fields"),
    ],
)
def test_what_is_absent_null_or_blank_decodes_to_the_defaults(kind: type[BootConfig], document: dict[str, Any]) -> None:
    assert decode(kind, json.dumps(document).encode()) == kind()


@pytest.mark.parametrize("kind", KINDS)
def test_an_object_without_spec_and_status_is_written_without_them(kind: type[BootConfig]) -> None:
    assert to_json_value(kind(metadata=ObjectMeta(name="a"))) == {
        "apiVersion": "boot.ironcore.dev/v1alpha1",
        "kind": kind.resource.kind,
        "metadata": {"name": "a"},
    }


def test_an_unknown_state_is_kept_as_it_is() -> None:
    config = decode(IPXEBootConfig, b'{"status": {"state": "Dreaming"}}')
    assert config.status.state == "Dreaming"


def test_states_types_and_reasons_are_written_as_their_text() -> None:
    ready = Condition(type=ConditionType.READY, status="True", reason=Reason.CONFIGURATION_VALID)
    status = BootConfigStatus(state=State.READY, conditions=(ready,))
    written = json.loads(encode(status))
    assert written["state"] == "Ready"
    assert written["conditions"][0] == {
        "type": "Ready",
        "status": "True",
        "reason": "ConfigurationValid",
        "message": "",
    }
    assert decode(BootConfigStatus, encode(status)) == status


NONE: tuple[str, ...] = ()


@pytest.mark.parametrize(
    ("ignition", "script", "names"),
    [
        pytest.param(None, None, NONE, id="no references"),
        pytest.param(SecretReference(), SecretReference(), NONE, id="empty names are absent"),
        pytest.param(SecretReference(name="i"), None, ("i",), id="ignition alone"),
        pytest.param(SecretReference(), SecretReference(name="s"), ("s",), id="script alone"),
        pytest.param(SecretReference(name="i"), SecretReference(name="s"), ("i", "s"), id="two secrets"),
        pytest.param(SecretReference(name="b"), SecretReference(name="b"), ("b",), id="one secret for both"),
    ],
)
def test_referenced_secrets_of_an_ipxe_config(
    ignition: SecretReference | None, script: SecretReference | None, names: tuple[str, ...]
) -> None:
    config = IPXEBootConfig(spec=IPXEBootConfigSpec(ignition_secret_ref=ignition, ipxe_script_secret_ref=script))
    assert config.ignition_secret_name == (ignition.name if ignition else "")
    assert config.ipxe_script_secret_name == (script.name if script else "")
    assert config.secret_names == names


@pytest.mark.parametrize(
    ("ignition", "names"),
    [
        pytest.param(None, NONE, id="no reference"),
        pytest.param(SecretReference(), NONE, id="an empty name is absent"),
        pytest.param(SecretReference(name="i"), ("i",), id="one secret"),
    ],
)
def test_referenced_secrets_of_an_http_config(ignition: SecretReference | None, names: tuple[str, ...]) -> None:
    config = HTTPBootConfig(spec=HTTPBootConfigSpec(ignition_secret_ref=ignition))
    assert config.secret_names == names
    assert config.ignition_secret_name == "".join(names)


TEXTS = st.text(max_size=8)
REFERENCES = st.none() | st.builds(SecretReference, name=TEXTS)
CONDITIONS = st.builds(
    Condition,
    type=TEXTS,
    status=st.sampled_from(["True", "False", "Unknown"]),
    reason=TEXTS,
    message=TEXTS,
    last_transition_time=st.none() | st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - hypothesis takes naive limits
    observed_generation=st.integers(0, 2**63 - 1),
)
STATUSES = st.builds(BootConfigStatus, state=TEXTS, conditions=st.lists(CONDITIONS, max_size=2).map(tuple))
LISTS = st.lists(TEXTS, max_size=3).map(tuple)
CONFIGS: st.SearchStrategy[BootConfig] = st.builds(
    IPXEBootConfig,
    spec=st.builds(
        IPXEBootConfigSpec,
        system_uuid=TEXTS,
        system_ips=LISTS,
        image=TEXTS,
        kernel_url=TEXTS,
        initrd_url=TEXTS,
        squashfs_url=TEXTS,
        ipxe_server_url=TEXTS,
        ignition_secret_ref=REFERENCES,
        ipxe_script_secret_ref=REFERENCES,
    ),
    status=STATUSES,
) | st.builds(
    HTTPBootConfig,
    spec=st.builds(
        HTTPBootConfigSpec,
        system_uuid=TEXTS,
        network_identifiers=LISTS,
        uki_url=TEXTS,
        ignition_secret_ref=REFERENCES,
    ),
    status=STATUSES,
)


@given(CONFIGS)
def test_any_object_is_the_same_after_encoding_and_decoding(config: BootConfig) -> None:
    assert decode(type(config), encode(config)) == config
