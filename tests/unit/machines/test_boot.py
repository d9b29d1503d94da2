"""What each machine gets, and what stands in the way: the answers that server, controllers and bootctl share."""

from __future__ import annotations

from typing import Any

import pytest

from api.v1alpha1 import BootConfig, HTTPBootConfig, IPXEBootConfig, Reason
from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import NamespacedName
from controller_runtime.envtest import Failure
from machines import (
    AmbiguousMachineError,
    BootError,
    InvalidFieldError,
    NoDefaultUKIError,
    NoIgnitionError,
    SecretKeyMissingError,
    SecretNotFetchedError,
    SecretNotFoundError,
    SecretUnreadableError,
    Stage,
    UnknownMachineError,
    UnsupportedFormatError,
)
from tests.unit.machines.lab import NAMESPACE, OTHER_UUID, UUID, BootApi, make_lab, running, settle

pytestmark = pytest.mark.looptime

SERVICE = "http://boot:8082"
FORBIDDEN = Failure(403)
CASES = [
    pytest.param(UUID, id="as it is"),
    pytest.param(UUID.upper(), id="upper case"),
    pytest.param(UUID.replace("-", ""), id="without hyphens"),
]


# Finding


@pytest.mark.parametrize("asked", CASES)
@pytest.mark.parametrize("stored", CASES)
async def test_a_machine_is_found_whatever_the_notation_of_its_uuid(asked: str, stored: str) -> None:
    api = BootApi()
    api.ipxe("a", systemUUID=stored)
    async with running(make_lab(api)) as lab:
        payload = lab.machines.ipxe_script(asked, SERVICE)
        assert payload.config.metadata.name == "a"
        assert payload.stage is Stage.IPXE_SCRIPT


@pytest.mark.parametrize("blank", ["", " ", "\t"])
async def test_a_blank_uuid_matches_nothing(blank: str) -> None:
    api = BootApi()
    api.ipxe("a", systemUUID=blank, ignition="s")
    api.http("b", systemUUID=blank, networkIdentifiers=[blank], ignition="s")
    api.secret("s", ignition=b"{}")
    async with running(make_lab(api)) as lab:
        with pytest.raises(UnknownMachineError):
            lab.machines.ipxe_script(blank, SERVICE)
        with pytest.raises(UnknownMachineError):
            lab.machines.ignition(blank)
        with pytest.raises(NoDefaultUKIError):
            lab.machines.http_boot([blank])


async def test_an_unknown_machine_is_named_in_the_error() -> None:
    async with running(make_lab(BootApi())) as lab:
        with pytest.raises(UnknownMachineError, match=f"no IPXEBootConfig names the machine {UUID}"):
            lab.machines.ipxe_script(UUID, SERVICE)
        with pytest.raises(UnknownMachineError, match=f"IPXEBootConfig or HTTPBootConfig names the machine {UUID}"):
            lab.machines.ignition(UUID)


async def test_several_configurations_of_one_machine_are_an_error_that_names_them_all() -> None:
    api = BootApi()
    api.ipxe("b", ignition="s")
    api.ipxe("a", namespace="other", ignition="s", systemUUID=UUID.upper())
    api.http("c", ignition="s", networkIdentifiers=["10.0.0.1"])
    api.http("d", ignition="s", networkIdentifiers=["10.0.0.1"])
    async with running(make_lab(api)) as lab:
        with pytest.raises(AmbiguousMachineError, match=r"IPXEBootConfig .* delete all but one: lab/b, other/a$"):
            lab.machines.ipxe_script(UUID, SERVICE)
        with pytest.raises(AmbiguousMachineError, match=r"IPXEBootConfig .* delete all but one: lab/b, other/a$"):
            lab.machines.ignition(UUID)
        with pytest.raises(AmbiguousMachineError, match=r"HTTPBootConfig .* lab/c, lab/d$") as caught:
            lab.machines.http_boot(["10.0.0.1"])
        assert [config.metadata.name for config in caught.value.configs] == ["c", "d"]
        assert caught.value.reason == Reason.AMBIGUOUS_MACHINE


# Scripts


async def test_a_custom_script_takes_the_place_of_the_default_one() -> None:
    api = BootApi()
    api.ipxe("a", script="t")
    api.secret("t", ipxe_script=b"#!ipxe\nshell\n")
    async with running(make_lab(api)) as lab:
        assert lab.machines.ipxe_script(UUID, SERVICE).body == b"#!ipxe\nshell\n"


async def test_an_empty_reference_is_no_reference() -> None:
    api = BootApi()
    api.ipxe("a", script="", ignition="")
    async with running(make_lab(api)) as lab:
        assert b"kernel ${kernel-url}" in lab.machines.ipxe_script(UUID, SERVICE).body
        with pytest.raises(NoIgnitionError):
            lab.machines.ignition(UUID)


async def test_a_changed_configuration_changes_the_script() -> None:
    api = BootApi()
    api.ipxe("a")
    async with running(make_lab(api)) as lab:
        assert b"http://images/kernel\n" in lab.machines.ipxe_script(UUID, SERVICE).body
        api.update(
            IPXEBootConfig, "a", NAMESPACE, spec={"systemUUID": UUID, "kernelURL": "http://x/k", "initrdURL": "i"}
        )
        await settle()
        assert b"http://x/k\n" in lab.machines.ipxe_script(UUID, SERVICE).body


# Ignition


async def test_ignition_comes_from_the_ipxe_configuration_first() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    api.http("b", ignition="t")
    api.secret("s", ignition=b"from ipxe")
    api.secret("t", ignition=b"from http")
    async with running(make_lab(api)) as lab:
        assert lab.machines.ignition(UUID).body == b"from ipxe"
        api.delete(IPXEBootConfig, "a", NAMESPACE)
        await settle()
        payload = lab.machines.ignition(UUID)
        assert (payload.body, payload.stage) == (b"from http", Stage.IGNITION)
        assert isinstance(payload.config, HTTPBootConfig)


@pytest.mark.parametrize("text", [pytest.param(b"fcos", id="bare"), pytest.param(b" fcos\n", id="with blanks")])
async def test_butane_cannot_be_translated(text: bytes) -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    api.secret("s", ignition=b"variant: fcos", format=text)
    async with running(make_lab(api)) as lab:
        with pytest.raises(UnsupportedFormatError, match='the Secret lab/s has format "fcos"'):
            lab.machines.ignition(UUID)


@pytest.mark.parametrize("text", [b"", b"ignition", b"FCOS", b"fcos2"])
async def test_any_other_format_is_served_as_it_is(text: bytes) -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    api.secret("s", ignition=b"\0anything", format=text)
    async with running(make_lab(api)) as lab:
        assert lab.machines.ignition(UUID).body == b"\0anything"


# What stands in the way of a Secret


@pytest.mark.parametrize(
    ("spec", "stage", "absent", "keyless"),
    [
        pytest.param(
            {"ignition": "s"},
            Stage.IGNITION,
            (Reason.IGNITION_SECRET_NOT_FOUND, "the Secret lab/s named by spec.ignitionSecretRef does not exist"),
            (Reason.IGNITION_KEY_MISSING, 'the Secret lab/s named by spec.ignitionSecretRef has no key "ignition"'),
            id="ignition",
        ),
        pytest.param(
            {"script": "s"},
            Stage.IPXE_SCRIPT,
            (Reason.IPXE_SCRIPT_SECRET_NOT_FOUND, "the Secret lab/s named by spec.ipxeScriptSecretRef does not exist"),
            (
                Reason.IPXE_SCRIPT_KEY_MISSING,
                'the Secret lab/s named by spec.ipxeScriptSecretRef has no key "ipxe-script"',
            ),
            id="script",
        ),
    ],
)
async def test_what_is_wrong_with_a_secret_is_told_alike_to_machines_and_controllers(
    spec: dict[str, str], stage: Stage, absent: tuple[Reason, str], keyless: tuple[Reason, str]
) -> None:
    api = BootApi()
    api.ipxe("a", **spec)
    async with running(make_lab(api)) as lab:

        def serve() -> Any:
            machines = lab.machines
            return machines.ignition(UUID) if stage is Stage.IGNITION else machines.ipxe_script(UUID, SERVICE)

        async def errors() -> list[BootError]:
            with pytest.raises(BootError) as served:
                serve()
            with pytest.raises(BootError) as verified:
                await lab.machines.verify(lab.config(IPXEBootConfig, "a"))
            return [served.value, verified.value]

        for error in await errors():
            assert isinstance(error, SecretNotFoundError)
            assert (error.reason, error.stage, error.secret) == (absent[0], stage, NamespacedName(NAMESPACE, "s"))
            assert absent[1] in str(error)
        api.secret("s", other=b"x")
        await settle()
        for error in await errors():
            assert isinstance(error, SecretKeyMissingError)
            assert (error.reason, error.stage, error.secret) == (keyless[0], stage, NamespacedName(NAMESPACE, "s"))
            assert keyless[1] in str(error)
        api.change_secret("s", ignition=b"{}", ipxe_script=b"#!ipxe")
        await settle()
        serve()
        await lab.machines.verify(lab.config(IPXEBootConfig, "a"))


async def test_a_secret_that_is_not_at_hand_is_no_verdict() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    api.secret("s", ignition=b"{}")
    api.reading.close()
    api.net.fail("get", FORBIDDEN, kind=Secret, name="s")
    async with running(make_lab(api)) as lab:
        with pytest.raises(SecretNotFetchedError, match="the Secret lab/s has not been fetched yet"):
            lab.machines.ignition(UUID)
        api.reading.open()
        await settle()
        for _ in range(2):
            with pytest.raises(SecretUnreadableError, match="the Secret lab/s could not be read and is retried: "):
                lab.machines.ignition(UUID)
        with pytest.raises(SecretUnreadableError):
            await lab.machines.verify(lab.config(IPXEBootConfig, "a"))


# HTTP boot


@pytest.mark.parametrize(
    ("identifiers", "name"),
    [
        pytest.param(["10.0.0.1"], "one", id="address"),
        pytest.param(["AA-BB-CC-DD-EE-02"], "two", id="mac in another notation"),
        pytest.param(["10.0.0.1", "aa:bb:cc:dd:ee:02"], "one", id="the first that matches wins"),
        pytest.param(["10.0.0.9", "", "aa:bb:cc:dd:ee:02"], "two", id="unknown and blank ones are passed over"),
        pytest.param(["::ffff:10.0.0.1"], "one", id="mapped address"),
    ],
)
async def test_http_boot_finds_the_machine_by_its_first_known_identifier(identifiers: list[str], name: str) -> None:
    api = BootApi()
    api.http("one", networkIdentifiers=["10.0.0.1", "aa:bb:cc:dd:ee:01"], ukiURL="http://images/one.efi")
    api.http("two", networkIdentifiers=["10.0.0.2", "aabb.ccdd.ee02"], ukiURL="http://images/two.efi")
    async with running(make_lab(api, default_uki_url="http://images/default.efi")) as lab:
        found = lab.machines.http_boot(identifiers)
        assert found.uki_url == f"http://images/{name}.efi"
        assert found.config is not None
        assert found.config.metadata.name == name


async def test_an_unknown_machine_boots_the_default_over_http() -> None:
    async with running(make_lab(BootApi(), default_uki_url="http://images/default.efi")) as lab:
        for identifiers in ([], ["10.0.0.9"]):
            found = lab.machines.http_boot(identifiers)
            assert (found.uki_url, found.config) == ("http://images/default.efi", None)


async def test_without_a_default_an_unknown_machine_has_nothing_to_boot() -> None:
    async with running(make_lab(BootApi())) as lab:
        with pytest.raises(NoDefaultUKIError, match="--default-httpboot-uki-url"):
            lab.machines.http_boot(["10.0.0.9"])


# Verdicts for controllers


@pytest.mark.parametrize("kind", [IPXEBootConfig, HTTPBootConfig])
async def test_a_configuration_without_references_is_fine(kind: type[BootConfig]) -> None:
    api = BootApi()
    api.ipxe("a")
    api.http("a")
    async with running(make_lab(api)) as lab:
        await lab.machines.verify(lab.config(kind, "a"))


async def test_a_verdict_names_the_field_that_cannot_be_used() -> None:
    api = BootApi()
    api.ipxe("a", kernelURL="http://x\nshell")
    async with running(make_lab(api)) as lab:
        with pytest.raises(InvalidFieldError, match=r"spec\.kernelURL"):
            await lab.machines.verify(lab.config(IPXEBootConfig, "a"))


@pytest.mark.parametrize("script", [{}, {"script": "t"}], ids=["default script", "custom script"])
async def test_a_verdict_names_a_blank_uuid_by_which_no_machine_can_ask_for_a_script(script: dict[str, str]) -> None:
    api = BootApi()
    api.ipxe("a", systemUUID=" ", **script)
    api.secret("t", ipxe_script=b"#!ipxe\n")
    async with running(make_lab(api)) as lab:
        with pytest.raises(InvalidFieldError, match=r"spec\.systemUUID is empty"):
            await lab.machines.verify(lab.config(IPXEBootConfig, "a"))


async def test_many_rivals_do_not_make_the_message_longer_than_a_condition_may_be() -> None:
    api = BootApi()
    for number in range(300):
        api.ipxe(f"machine-{number:03}-{'x' * 150}")
    async with running(make_lab(api)) as lab:
        with pytest.raises(AmbiguousMachineError) as caught:
            lab.machines.ipxe_script(UUID, "http://boot")
        assert len(caught.value.configs) == 300
        assert "lab/machine-001-" in str(caught.value)
        assert str(caught.value).endswith(" and 292 more")
        assert len(str(caught.value)) < 32768


async def test_a_custom_script_needs_no_urls() -> None:
    api = BootApi()
    api.ipxe("a", kernelURL="", script="t")
    api.secret("t", ipxe_script=b"#!ipxe")
    async with running(make_lab(api)) as lab:
        await lab.machines.verify(lab.config(IPXEBootConfig, "a"))


async def test_a_verdict_waits_for_the_version_that_is_known() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    api.secret("s", ignition=b"{}")
    async with running(make_lab(api)) as lab:
        api.change_secret("s", other=b"x")
        await settle()
        with pytest.raises(SecretKeyMissingError):
            await lab.machines.verify(lab.config(IPXEBootConfig, "a"))
        api.delete(Secret, "s", NAMESPACE)
        await settle()
        with pytest.raises(SecretNotFoundError):
            await lab.machines.verify(lab.config(IPXEBootConfig, "a"))


async def test_rivals_make_each_other_ambiguous() -> None:
    api = BootApi()
    api.ipxe("a")
    api.ipxe("b", systemUUID=UUID.upper())
    api.ipxe("alone", systemUUID=OTHER_UUID)
    api.http("by-uuid")
    api.http("by-address", systemUUID=OTHER_UUID, networkIdentifiers=["::ffff:10.0.0.1"])
    api.http("by-both", networkIdentifiers=["10.0.0.1"])
    async with running(make_lab(api)) as lab:

        def rivals(kind: type[BootConfig], name: str) -> list[str]:
            return sorted(rival.metadata.name for rival in lab.machines.rivals(lab.config(kind, name)))

        assert rivals(IPXEBootConfig, "a") == ["b"]
        assert rivals(IPXEBootConfig, "alone") == []
        assert rivals(HTTPBootConfig, "by-both") == ["by-address", "by-uuid"]
        assert rivals(HTTPBootConfig, "by-uuid") == ["by-both"]
        with pytest.raises(AmbiguousMachineError, match="lab/a, lab/b"):
            await lab.machines.verify(lab.config(IPXEBootConfig, "b"))
        await lab.machines.verify(lab.config(IPXEBootConfig, "alone"))


async def test_no_payload_shows_its_content() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    api.secret("s", ignition=b"hunter2")
    async with running(make_lab(api)) as lab:
        assert "hunter2" not in repr(lab.machines.ignition(UUID))
