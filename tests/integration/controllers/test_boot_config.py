"""What the controllers say of configurations: state, the condition Ready, Events, and how they recover."""

from __future__ import annotations

import msgspec
import pytest

from api.v1alpha1 import (
    BootConfig,
    BootConfigStatus,
    HTTPBootConfig,
    HTTPBootConfigSpec,
    IPXEBootConfig,
    IPXEBootConfigSpec,
    SecretReference,
)
from controller_runtime.api.core_v1 import Secret
from controller_runtime.api.events_v1 import Event
from controller_runtime.apimachinery import Condition, ObjectMeta, find_condition, set_condition
from controller_runtime.client import patch_status
from tests.integration.controllers.conftest import Lab

pytestmark = pytest.mark.integration

UUID = "4c4c4544-0051-3610-8052-b4c04f4e4d31"


def ipxe(lab: Lab, name: str, *, uuid: str = UUID, ignition: str = "", script: str = "") -> IPXEBootConfig:
    spec = IPXEBootConfigSpec(
        system_uuid=uuid,
        kernel_url="http://boot.example.com/kernel",
        initrd_url="http://boot.example.com/initrd",
        ignition_secret_ref=SecretReference(name=ignition) if ignition else None,
        ipxe_script_secret_ref=SecretReference(name=script) if script else None,
    )
    return IPXEBootConfig(metadata=ObjectMeta(namespace=lab.namespace, name=name), spec=spec)


def http(
    lab: Lab, name: str, *, identifiers: tuple[str, ...] = (), ignition: str = "", uuid: str = ""
) -> HTTPBootConfig:
    spec = HTTPBootConfigSpec(
        system_uuid=uuid,
        network_identifiers=identifiers,
        uki_url="http://boot.example.com/uki.efi",
        ignition_secret_ref=SecretReference(name=ignition) if ignition else None,
    )
    return HTTPBootConfig(metadata=ObjectMeta(namespace=lab.namespace, name=name), spec=spec)


def secret(lab: Lab, name: str, **data: bytes) -> Secret:
    keys = {key.replace("_", "-"): value for key, value in data.items()}
    return Secret(metadata=ObjectMeta(namespace=lab.namespace, name=name), data=keys)


def ready(config: BootConfig) -> Condition:
    """The condition, or an empty one."""
    return find_condition(config.status.conditions, "Ready") or Condition(type="Ready", status="")


def is_ready(config: BootConfig) -> bool:
    return config.status.state == "Ready" and ready(config).status == "True"


def fails_with(reason: str) -> object:
    def holds(config: BootConfig) -> bool:
        return config.status.state == "Error" and ready(config).reason == reason

    return holds


@pytest.mark.parametrize("kind", ["ipxe", "http"])
async def test_a_missing_ignition_secret_is_named_and_its_appearance_is_enough(lab: Lab, kind: str) -> None:
    config: BootConfig = ipxe(lab, "m", ignition="a") if kind == "ipxe" else http(lab, "m", ignition="a")
    await lab.client.create(config)
    found = await lab.until(type(config), "m", fails_with("IgnitionSecretNotFound"))
    assert f"{lab.namespace}/a" in ready(found).message
    assert ready(found).observed_generation == 1

    await lab.client.create(secret(lab, "a", other=b"x"))
    found = await lab.until(type(config), "m", fails_with("IgnitionKeyMissing"))
    assert '"ignition"' in ready(found).message

    stored = await lab.client.get(Secret, lab.key("a"))
    await lab.client.update(msgspec.structs.replace(stored, data={"ignition": b"{}"}))
    await lab.until(type(config), "m", is_ready)

    await lab.client.delete(Secret, lab.key("a"))
    await lab.until(type(config), "m", fails_with("IgnitionSecretNotFound"))


async def test_a_missing_script_is_named(lab: Lab) -> None:
    await lab.client.create(ipxe(lab, "m", script="s"))
    await lab.until(IPXEBootConfig, "m", fails_with("IPXEScriptSecretNotFound"))
    await lab.client.create(secret(lab, "s", ignition=b"{}"))
    found = await lab.until(IPXEBootConfig, "m", fails_with("IPXEScriptKeyMissing"))
    assert '"ipxe-script"' in ready(found).message
    stored = await lab.client.get(Secret, lab.key("s"))
    await lab.client.update(msgspec.structs.replace(stored, data={"ipxe-script": b"#!ipxe\n"}))
    await lab.until(IPXEBootConfig, "m", is_ready)


async def test_without_references_a_configuration_is_ready(lab: Lab) -> None:
    await lab.client.create(ipxe(lab, "m"))
    await lab.until(IPXEBootConfig, "m", is_ready)


async def test_a_secret_of_another_namespace_does_not_count(lab: Lab) -> None:
    elsewhere = secret(lab, "a", ignition=b"{}")
    await lab.client.create(msgspec.structs.replace(elsewhere, metadata=ObjectMeta(namespace="default", name="a")))
    try:
        await lab.client.create(ipxe(lab, "m", ignition="a"))
        await lab.until(IPXEBootConfig, "m", fails_with("IgnitionSecretNotFound"))
    finally:
        await lab.client.delete(Secret, elsewhere.key._replace(namespace="default"))


async def test_two_configurations_of_one_machine_are_both_told_and_recover_when_one_goes(lab: Lab) -> None:
    await lab.client.create(ipxe(lab, "one"))
    await lab.until(IPXEBootConfig, "one", is_ready)
    await lab.client.create(ipxe(lab, "two", uuid=UUID.upper()))
    for name in ("one", "two"):
        found = await lab.until(IPXEBootConfig, name, fails_with("AmbiguousMachine"))
        assert f"{lab.namespace}/one, {lab.namespace}/two" in ready(found).message
        event = await event_about(lab, name)
        assert (event.type, event.reason) == ("Warning", "AmbiguousMachine")
        assert f"{lab.namespace}/one, {lab.namespace}/two" in event.note
    await lab.client.delete(IPXEBootConfig, lab.key("two"))
    await lab.until(IPXEBootConfig, "one", is_ready)


async def test_two_http_configurations_with_one_address_are_told(lab: Lab) -> None:
    await lab.client.create(http(lab, "one", identifiers=("192.0.2.1", "02:00:00:00:00:01")))
    await lab.client.create(http(lab, "two", identifiers=("02-00-00-00-00-01",)))
    for name in ("one", "two"):
        await lab.until(HTTPBootConfig, name, fails_with("AmbiguousMachine"))
    two = await lab.client.get(HTTPBootConfig, lab.key("two"))
    spec = msgspec.structs.replace(two.spec, network_identifiers=("02:00:00:00:00:02",))
    await lab.client.update(msgspec.structs.replace(two, spec=spec))
    for name in ("one", "two"):
        await lab.until(HTTPBootConfig, name, is_ready)


async def event_about(lab: Lab, name: str, *, event_type: str = "Warning") -> Event:
    """An Event of that type about that configuration, once there is one."""

    def about(event: Event) -> bool:
        return event.regarding is not None and event.regarding.name == name and event.type == event_type

    return await lab.until(Event, "", about)


async def test_an_event_tells_what_is_wrong_and_when_it_is_mended(lab: Lab) -> None:
    await lab.client.create(ipxe(lab, "m", ignition="a"))
    event = await event_about(lab, "m")
    assert (event.reason, event.action, event.reporting_controller) == (
        "IgnitionSecretNotFound",
        "Verify",
        "ipxebootconfig",
    )
    assert f"{lab.namespace}/a" in event.note
    await lab.client.create(secret(lab, "a", ignition=b"{}"))
    event = await event_about(lab, "m", event_type="Normal")
    assert event.reason == "ConfigurationValid"


async def test_no_condition_of_another_writer_is_lost(lab: Lab) -> None:
    await lab.client.create(ipxe(lab, "m", ignition="a"))
    config = await lab.until(IPXEBootConfig, "m", fails_with("IgnitionSecretNotFound"))
    foreign = Condition(type="example.com/Cabled", status="True", reason="Seen", message="by a person")

    def add(current: IPXEBootConfig) -> IPXEBootConfig:
        conditions = set_condition(current.status.conditions, foreign)
        return msgspec.structs.replace(
            current, status=BootConfigStatus(state=current.status.state, conditions=conditions)
        )

    await patch_status(lab.client, config, add)
    await lab.client.create(secret(lab, "a", ignition=b"{}"))
    found = await lab.until(IPXEBootConfig, "m", is_ready)
    kept = find_condition(found.status.conditions, foreign.type)
    assert kept is not None
    assert (kept.status, kept.reason, kept.message) == ("True", "Seen", "by a person")


async def test_a_status_changed_by_hand_is_put_right(lab: Lab) -> None:
    await lab.client.create(ipxe(lab, "m"))
    config = await lab.until(IPXEBootConfig, "m", is_ready)
    await lab.client.status.patch(IPXEBootConfig, config.key, {"status": {"state": "Error", "conditions": None}})
    await lab.until(IPXEBootConfig, "m", is_ready)
