"""Secrets are at hand before machines ask, never older than promised, and bounded in requests and in memory."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
import structlog

from api.v1alpha1 import HTTPBootConfig, IPXEBootConfig
from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import NamespacedName
from controller_runtime.envtest import NOT_SERVED, Failure
from controller_runtime.envtest.effects import Effect
from controller_runtime.envtest.faults import Rule
from machines import SecretState
from machines.metrics import CACHED_SECRET_BYTES, CACHED_SECRETS, UNREADABLE_SECRETS
from machines.secrets import MAX_CONCURRENT_FETCHES, Version
from tests.unit.machines.lab import NAMESPACE, BootApi, Lab, make_lab, running, settle

pytestmark = pytest.mark.looptime

FORBIDDEN = Failure(403, message='secrets "s" is forbidden')
NOT_FOUND = Failure(404)


def key(name: str) -> NamespacedName:
    return NamespacedName(NAMESPACE, name)


def ignition(lab: Lab, name: str = "s") -> bytes | SecretState:
    """The Ignition as a machine would get it, or the state in its place."""
    answer = lab.secrets.lookup(NAMESPACE, name)
    return answer.data["ignition"] if answer.state is SecretState.PRESENT else answer.state


def one_referenced(content: bytes = b"one") -> BootApi:
    api = BootApi()
    api.ipxe("a", ignition="s")
    api.secret("s", ignition=content)
    return api


def refuse(api: BootApi, *names: str, failure: Failure = FORBIDDEN) -> Rule[Effect]:
    """Has reads of Secrets fail until the rule is removed."""
    return api.net.fail("get", failure, kind=Secret, where=lambda call: call.name in names)


def many_referenced(count: int, size: int = 100) -> BootApi:
    api = BootApi()
    for number in range(count):
        api.ipxe(f"machine-{number:02}", ignition=f"s-{number:02}")
        api.secret(f"s-{number:02}", ignition=bytes([number]) * size)
    return api


def held(lab: Lab, count: int) -> int:
    """How many Secrets are at hand; asks for none that is not."""
    return sum(key(f"s-{number:02}") in lab.secrets._held for number in range(count))


# First state


async def test_what_configurations_refer_to_is_fetched_ahead_and_once() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s", script="t")
    api.http("b", ignition="s")
    api.secret("s", ignition=b"one")
    api.secret("t", ipxe_script=b"#!ipxe")
    api.secret("nobody-refers-to-this", ignition=b"x")
    async with running(make_lab(api)) as lab:
        assert ignition(lab) == b"one"
        assert lab.secrets.lookup(NAMESPACE, "t").data == {"ipxe-script": b"#!ipxe"}
        assert sorted(api.reads) == [key("s"), key("t")]


async def test_the_secret_of_another_namespace_is_never_used() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    api.secret("s", namespace="other", ignition=b"not for you")
    async with running(make_lab(api)) as lab:
        assert ignition(lab) is SecretState.ABSENT
        assert api.reads == []


async def test_before_the_first_sync_everything_is_pending_and_nothing_ready() -> None:
    lab = make_lab(one_referenced())
    assert not lab.secrets.ready
    assert ignition(lab) is SecretState.PENDING


async def test_ready_comes_with_the_last_first_answer() -> None:
    api = one_referenced()
    api.reading.close()
    async with running(make_lab(api)) as lab:
        assert not lab.secrets.ready
        assert not lab.machines.ready
        assert ignition(lab) is SecretState.PENDING
        api.reading.open()
        await lab.secrets.wait_ready()
        assert ignition(lab) == b"one"
        assert lab.machines.ready


@pytest.mark.parametrize("answer", [pytest.param(FORBIDDEN, id="forbidden"), pytest.param(NOT_FOUND, id="not found")])
async def test_failures_are_answers_to_readiness(answer: Failure) -> None:
    api = one_referenced()
    refuse(api, "s", failure=answer)
    async with running(make_lab(api)) as lab:
        assert lab.secrets.ready


async def test_no_room_is_an_answer_to_readiness() -> None:
    async with running(make_lab(many_referenced(30), max_bytes=500)) as lab:
        assert lab.secrets.ready


async def test_absent_secrets_do_not_keep_a_replica_from_being_ready() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    async with running(make_lab(api)) as lab:
        assert lab.secrets.ready
        assert ignition(lab) is SecretState.ABSENT


async def test_a_reference_that_goes_away_is_not_waited_for() -> None:
    api = one_referenced()
    api.reading.close()
    async with running(make_lab(api)) as lab:
        api.delete(IPXEBootConfig, "a", NAMESPACE)
        await settle()
        assert lab.secrets.ready
        api.reading.open()


async def test_a_reference_that_comes_back_during_the_fetch_makes_no_second_one_beside_it() -> None:
    api = one_referenced()
    async with running(make_lab(api)) as lab:
        api.reading.close()
        api.change_secret("s", ignition=b"two")
        await settle()
        for _ in range(3):
            api.delete(IPXEBootConfig, "a", NAMESPACE)
            await settle()
            api.ipxe("a", ignition="s")
            await settle()
            assert api.reading.inside == 1
        api.reading.open()
        await settle()
        assert ignition(lab) == b"two"


async def test_a_fetch_that_nobody_needs_any_more_makes_room_for_the_next() -> None:
    api = many_referenced(MAX_CONCURRENT_FETCHES + 1)
    last = f"s-{MAX_CONCURRENT_FETCHES:02}"
    api.reading.close()
    async with running(make_lab(api)) as lab:
        assert key(last) not in api.reads
        api.delete(IPXEBootConfig, "machine-00", NAMESPACE)
        await settle()
        assert key(last) in api.reads
        api.reading.open()
        await settle()
        assert lab.secrets.ready


async def test_fetches_are_bounded() -> None:
    api = many_referenced(3 * MAX_CONCURRENT_FETCHES)
    api.reading.close()
    async with running(make_lab(api)) as lab:
        assert len(api.reads) == MAX_CONCURRENT_FETCHES
        api.reading.open()
        await settle()
        assert lab.secrets.ready
        assert len(api.reads) == len(set(api.reads)) == 3 * MAX_CONCURRENT_FETCHES
        assert api.reading.most == MAX_CONCURRENT_FETCHES


async def test_what_a_machine_waits_for_is_fetched_next() -> None:
    api = many_referenced(2 * MAX_CONCURRENT_FETCHES)
    api.reading.close()
    async with running(make_lab(api)) as lab:
        last = f"s-{2 * MAX_CONCURRENT_FETCHES - 1:02}"
        assert key(last) not in api.reads
        ignition(lab, last)
        api.reading.open()
        await settle()
        assert api.reads[MAX_CONCURRENT_FETCHES] == key(last)


# Changes


async def test_a_new_secret_is_fetched_when_it_appears() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    async with running(make_lab(api)) as lab:
        api.secret("s", ignition=b"one")
        await settle()
        assert ignition(lab) == b"one"


async def test_a_new_reference_is_fetched_when_it_appears() -> None:
    api = BootApi()
    api.secret("s", ignition=b"one")
    async with running(make_lab(api)) as lab:
        assert api.reads == []
        api.ipxe("a", ignition="s")
        await settle()
        assert ignition(lab) == b"one"


async def test_the_old_version_is_served_until_the_new_one_is_there() -> None:
    api = one_referenced()
    async with running(make_lab(api)) as lab:
        api.reading.close()
        api.change_secret("s", ignition=b"two")
        await settle()
        assert ignition(lab) == b"one"
        api.reading.open()
        await settle()
        assert ignition(lab) == b"two"


async def test_a_change_during_a_fetch_leads_to_another_fetch() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    async with running(make_lab(api)) as lab:
        api.reading.close()
        api.secret("s", ignition=b"one")
        await settle()
        asked = asyncio.create_task(lab.secrets.answer(NAMESPACE, "s"))
        await settle()
        api.change_secret("s", ignition=b"two")
        await settle()
        api.reading.open()
        assert (await asked).data == {"ignition": b"two"}
        assert ignition(lab) == b"two"
        assert api.reading.most == 1


async def test_a_deleted_secret_is_dropped_at_once() -> None:
    api = one_referenced()
    async with running(make_lab(api)) as lab:
        api.delete(Secret, "s", NAMESPACE)
        await settle()
        assert ignition(lab) is SecretState.ABSENT
        assert lab.secrets._bytes == 0


async def test_content_of_an_earlier_secret_of_that_name_is_never_served() -> None:
    api = one_referenced()
    async with running(make_lab(api)) as lab:
        api.reading.close()
        api.delete(Secret, "s", NAMESPACE)
        api.secret("s", ignition=b"two")
        await settle()
        assert ignition(lab) is SecretState.PENDING
        api.reading.open()
        await settle()
        assert ignition(lab) == b"two"


async def test_content_that_arrives_after_its_secret_was_replaced_is_never_served() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    async with running(make_lab(api)) as lab:
        api.reading.close()
        api.secret("s", ignition=b"one")
        await settle()
        api.delete(Secret, "s", NAMESPACE)
        api.secret("s", ignition=b"two")
        await settle()
        api.reading.admit()
        await settle()
        assert len(api.reads) == 2
        assert ignition(lab) is SecretState.PENDING
        api.reading.open()
        await settle()
        assert ignition(lab) == b"two"


async def test_a_new_uid_drops_the_content_even_without_a_delete_in_between() -> None:
    api = one_referenced()
    async with running(make_lab(api)) as lab:
        api.reading.close()
        lab.secrets.observe(key("s"), Version("another", "999"))
        assert ignition(lab) is SecretState.PENDING
        api.reading.open()


async def test_a_secret_that_is_gone_at_the_server_is_absent_though_the_informer_lags() -> None:
    api = one_referenced()
    async with running(make_lab(api)) as lab:
        refuse(api, "s", failure=NOT_FOUND)
        api.change_secret("s", ignition=b"two")
        await settle()
        assert ignition(lab) is SecretState.ABSENT
        assert (await lab.secrets.answer(NAMESPACE, "s")).state is SecretState.ABSENT


async def test_a_status_update_of_a_configuration_fetches_nothing() -> None:
    api = one_referenced()
    async with running(make_lab(api)) as lab:
        api.change_status(IPXEBootConfig, "a", state="Ready")
        await settle()
        assert ignition(lab) == b"one"
        assert api.reads == [key("s")]


async def test_content_is_dropped_with_the_last_reference() -> None:
    api = one_referenced()
    api.http("b", ignition="s")
    async with running(make_lab(api)) as lab:
        api.delete(IPXEBootConfig, "a", NAMESPACE)
        await settle()
        assert ignition(lab) == b"one"
        api.update(HTTPBootConfig, "b", NAMESPACE, spec={"ignitionSecretRef": {"name": "t"}})
        await settle()
        assert lab.secrets._bytes == 0
        assert key("s") not in lab.secrets._entries


# Failures


async def test_the_last_known_bytes_are_served_while_the_server_is_away() -> None:
    api = one_referenced()
    async with running(make_lab(api)) as lab:
        api.net.outage()
        await asyncio.sleep(3600)
        assert ignition(lab) == b"one"


async def test_the_last_known_bytes_are_served_while_a_newer_version_cannot_be_read() -> None:
    api = one_referenced()
    async with running(make_lab(api)) as lab:
        refuse(api, "s")
        api.change_secret("s", ignition=b"two")
        await settle()
        assert ignition(lab) == b"one"
        assert (await lab.secrets.answer(NAMESPACE, "s")).state is SecretState.FAILED


async def test_a_404_that_is_no_api_servers_word_does_not_make_a_secret_absent() -> None:
    api = one_referenced()
    async with running(make_lab(api)) as lab:
        with api.net.fail("get", NOT_SERVED):
            api.change_secret("s", ignition=b"two")
            await settle()
            assert ignition(lab) == b"one"
            assert (await lab.secrets.answer(NAMESPACE, "s")).state is SecretState.FAILED
        await asyncio.sleep(60)
        assert ignition(lab) == b"two"


async def test_a_failed_fetch_is_retried_with_back_off_until_it_succeeds() -> None:
    api = one_referenced()
    refusal = refuse(api, "s")
    async with running(make_lab(api)) as lab:
        await asyncio.sleep(600)
        assert 600 / 60 <= len(api.reads) <= 6 + 600 / 30
        refusal.remove()
        await asyncio.sleep(60)
        assert ignition(lab) == b"one"


async def test_a_failure_says_why_and_a_waiting_machine_speeds_up_the_retries() -> None:
    api = one_referenced()
    refusal = refuse(api, "s")
    async with running(make_lab(api)) as lab:
        await asyncio.sleep(600)
        answer = lab.secrets.lookup(NAMESPACE, "s")
        assert answer.state is SecretState.FAILED
        assert 'secrets "s" is forbidden' in answer.error
        refusal.remove()
        await asyncio.sleep(5)
        assert ignition(lab) == b"one"
        reads = len(api.reads)
        await asyncio.sleep(600)
        assert len(api.reads) == reads


async def test_a_secret_that_failed_and_then_found_no_room_is_fetched_on_demand() -> None:
    api = many_referenced(2, size=100)
    refusal = refuse(api, "s-01")
    async with running(make_lab(api, max_bytes=150)) as lab:
        await asyncio.sleep(10)
        assert UNREADABLE_SECRETS._value.get() == 0
        refusal.remove()
        assert (await lab.secrets.answer(NAMESPACE, "s-01")).data == {"ignition": b"\1" * 100}


async def test_a_bug_in_reading_costs_one_secret_and_not_the_others(mocker: Any) -> None:
    api = one_referenced()
    api.ipxe("b", ignition="t")
    api.secret("t", ignition=b"other")
    lab = make_lab(api)
    read = lab.client.get

    async def get(kind: Any, name: NamespacedName) -> Any:
        if name == key("s"):
            raise ZeroDivisionError
        return await read(kind, name)

    mocker.patch.object(lab.client, "get", get)
    with structlog.testing.capture_logs() as logs:
        async with running(lab):
            assert ignition(lab) is SecretState.FAILED
            assert ignition(lab, "t") == b"other"
    assert "cannot read a Secret" in [line["event"] for line in logs]


async def test_a_fetch_that_is_cancelled_from_inside_is_a_failure_and_retried(mocker: Any) -> None:
    api = one_referenced()
    lab = make_lab(api)
    broken = mocker.patch.object(lab.client, "get", side_effect=asyncio.CancelledError)
    async with running(lab):
        assert lab.secrets.ready
        assert (await lab.secrets.answer(NAMESPACE, "s")).state is SecretState.FAILED
        mocker.stop(broken)
        await asyncio.sleep(60)
        assert ignition(lab) == b"one"


async def test_a_secret_that_nobody_refers_to_any_more_counts_no_longer_as_unreadable() -> None:
    api = one_referenced()
    refuse(api, "s")
    async with running(make_lab(api)):
        assert UNREADABLE_SECRETS._value.get() == 1
        api.delete(IPXEBootConfig, "a", NAMESPACE)
        await settle()
        assert UNREADABLE_SECRETS._value.get() == 0


async def test_one_disturbance_is_two_log_lines() -> None:
    api = many_referenced(20)
    refusal = refuse(api, *(f"s-{number:02}" for number in range(20)))
    with structlog.testing.capture_logs() as logs:
        async with running(make_lab(api)):
            assert UNREADABLE_SECRETS._value.get() == 20
            refusal.remove()
            await asyncio.sleep(60)
            assert UNREADABLE_SECRETS._value.get() == 0
    assert [line["log_level"] for line in logs if "Secrets that boot" in line["event"]] == ["warning", "info"]


# Answers for controllers


async def test_an_answer_is_never_older_than_what_the_informer_knows() -> None:
    api = one_referenced()
    async with running(make_lab(api)) as lab:
        api.reading.close()
        api.change_secret("s", ignition=b"two")
        await settle()
        asked = asyncio.create_task(lab.secrets.answer(NAMESPACE, "s"))
        await settle()
        assert not asked.done()
        api.reading.open()
        assert (await asked).data == {"ignition": b"two"}


async def test_an_answer_that_is_known_needs_no_request() -> None:
    api = one_referenced()
    async with running(make_lab(api)) as lab:
        answers = [await lab.secrets.answer(NAMESPACE, "s") for _ in range(3)]
        assert [answer.state for answer in answers] == [SecretState.PRESENT] * 3
        assert len(api.reads) == 1


async def test_many_who_ask_at_once_share_one_request() -> None:
    api = BootApi()
    api.secret("s", ignition=b"one")
    async with running(make_lab(api)) as lab:
        answers = await asyncio.gather(*(lab.secrets.answer(NAMESPACE, "s") for _ in range(50)))
        assert {answer.data["ignition"] for answer in answers} == {b"one"}
        assert len(api.reads) == 1


async def test_an_answer_about_a_secret_nobody_refers_to_leaves_nothing_behind() -> None:
    api = BootApi()
    api.secret("s", ignition=b"one")
    async with running(make_lab(api)) as lab:
        assert (await lab.secrets.answer(NAMESPACE, "s")).data == {"ignition": b"one"}
        assert (await lab.secrets.answer(NAMESPACE, "none")).state is SecretState.ABSENT
        assert not lab.secrets._entries
        assert lab.secrets._bytes == 0


async def test_one_who_stops_waiting_leaves_nothing_behind() -> None:
    api = BootApi()
    api.secret("s", ignition=b"one")
    async with running(make_lab(api)) as lab:
        api.reading.close()
        asked = asyncio.create_task(lab.secrets.answer(NAMESPACE, "s"))
        await settle()
        asked.cancel()
        await asyncio.wait([asked])
        assert not lab.secrets._entries
        api.reading.open()
        await settle()
        assert lab.secrets._bytes == 0


async def test_who_waits_is_answered_though_the_last_reference_goes_away() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    async with running(make_lab(api)) as lab:
        api.reading.close()
        api.secret("s", ignition=b"one")
        await settle()
        asked = asyncio.create_task(lab.secrets.answer(NAMESPACE, "s"))
        await settle()
        api.delete(IPXEBootConfig, "a", NAMESPACE)
        await settle()
        api.reading.open()
        assert (await asked).data == {"ignition": b"one"}
        assert not lab.secrets._entries


async def test_who_waits_for_a_secret_that_is_deleted_hears_that_it_is_absent() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    async with running(make_lab(api)) as lab:
        api.reading.close()
        api.secret("s", ignition=b"one")
        await settle()
        asked = asyncio.create_task(lab.secrets.answer(NAMESPACE, "s"))
        await settle()
        api.delete(Secret, "s", NAMESPACE)
        assert (await asked).state is SecretState.ABSENT
        api.reading.open()
        await settle()
        assert ignition(lab) is SecretState.ABSENT


async def test_an_answer_waits_for_the_first_sync() -> None:
    lab = make_lab(one_referenced())
    asked = asyncio.create_task(lab.secrets.answer(NAMESPACE, "s"))
    await settle()
    assert not asked.done()
    async with running(lab):
        assert (await asked).data == {"ignition": b"one"}


# Memory


async def test_fetching_ahead_stops_at_the_bound_and_pushes_nothing_out() -> None:
    api = many_referenced(30, size=100)
    async with running(make_lab(api, max_bytes=1000)) as lab:
        assert lab.secrets._bytes <= 1000
        assert held(lab, 30) == 10
        assert len(api.reads) < 30


async def test_an_evicted_secret_is_fetched_when_a_machine_asks_and_pushes_out_the_least_used() -> None:
    api = many_referenced(4, size=100)
    async with running(make_lab(api, max_bytes=300)) as lab:
        names = [f"s-{number:02}" for number in range(4)]
        (missing,) = [name for name in names if key(name) not in lab.secrets._held]
        used = [name for name in names if name != missing]
        for name in reversed(used):
            ignition(lab, name)
        assert ignition(lab, missing) is SecretState.PENDING
        await settle()
        assert ignition(lab, missing) == bytes([names.index(missing)]) * 100
        assert key(used[-1]) not in lab.secrets._held
        assert lab.secrets._bytes == 300


async def test_a_secret_larger_than_the_bound_is_still_served_to_machines() -> None:
    api = many_referenced(2, size=100)
    async with running(make_lab(api, max_bytes=10)) as lab:
        for name, content in (("s-00", b"\0" * 100), ("s-01", b"\1" * 100)):
            assert ignition(lab, name) is SecretState.PENDING
            await settle()
            assert ignition(lab, name) == content
            assert lab.secrets._bytes == 100


async def test_a_controllers_answer_about_an_evicted_secret_pushes_nothing_out() -> None:
    api = many_referenced(4, size=100)
    async with running(make_lab(api, max_bytes=300)) as lab:
        (missing,) = [number for number in range(4) if key(f"s-{number:02}") not in lab.secrets._held]
        held_before = list(lab.secrets._held)
        answer = await lab.secrets.answer(NAMESPACE, f"s-{missing:02}")
        assert answer.data == {"ignition": bytes([missing]) * 100}
        assert list(lab.secrets._held) == held_before


async def test_the_newer_version_of_what_is_held_may_push_others_out() -> None:
    api = many_referenced(3, size=100)
    async with running(make_lab(api, max_bytes=300)) as lab:
        api.change_secret("s-01", ignition=b"x" * 250)
        await settle()
        assert ignition(lab, "s-01") == b"x" * 250
        assert lab.secrets._bytes == 250


async def test_freed_memory_is_counted() -> None:
    api = many_referenced(3, size=100)
    async with running(make_lab(api)) as lab:
        assert (CACHED_SECRETS._value.get(), CACHED_SECRET_BYTES._value.get()) == (3, 300)
        api.change_secret("s-00", ignition=b"x" * 10)
        api.delete(IPXEBootConfig, "machine-01", NAMESPACE)
        await settle()
        assert (CACHED_SECRETS._value.get(), CACHED_SECRET_BYTES._value.get()) == (2, 110)
        assert lab.secrets._bytes == 110


# What is kept and shown


async def test_only_what_booting_needs_is_kept() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    api.secret("s", ignition=b"i", format=b"fcos", ipxe_script=b"#!ipxe", password=b"hunter2")
    async with running(make_lab(api)) as lab:
        data = lab.secrets.lookup(NAMESPACE, "s").data
        assert data == {"ignition": b"i", "format": b"fcos", "ipxe-script": b"#!ipxe"}


async def test_content_is_in_no_log_line_and_no_repr() -> None:
    api = one_referenced(b"hunter2")
    shown = []
    with structlog.testing.capture_logs() as logs:
        async with running(make_lab(api, max_bytes=1)) as lab:
            ignition(lab)
            await settle()
            shown.append(repr(lab.secrets.lookup(NAMESPACE, "s")))
            shown.append(repr(await lab.secrets.answer(NAMESPACE, "s")))
            refuse(api, "s")
            api.change_secret("s", ignition=b"hunter3")
            await settle()
    text = f"{logs}{shown}"
    assert "PRESENT" in text
    assert "hunter" not in text
    assert base64.b64encode(b"hunter2").decode() not in text


async def test_the_end_waits_for_nothing_that_is_queued() -> None:
    api = many_referenced(3 * MAX_CONCURRENT_FETCHES)
    api.reading.close()
    async with running(make_lab(api)):
        assert len(api.reads) == MAX_CONCURRENT_FETCHES
    assert api.reading.inside == 0
    assert len(api.reads) == MAX_CONCURRENT_FETCHES


async def test_nothing_goes_on_after_the_end() -> None:
    api = one_referenced()
    refuse(api, "s")
    lab = make_lab(api)
    async with running(lab):
        reads = len(api.reads)
    await asyncio.sleep(3600)
    assert len(api.reads) == reads
