"""What the reconciler writes where the cluster changes under it, or cannot be read."""

from __future__ import annotations

from unittest.mock import Mock

import pytest

from api.v1alpha1 import IPXEBootConfig
from controller_runtime.api.core_v1 import Secret
from controller_runtime.apimachinery import NamespacedName
from controller_runtime.client import NotFoundError
from controller_runtime.controller import Result
from controller_runtime.envtest import NOT_SERVED, Failure
from controller_runtime.recorder import EventRecorder
from controllers.boot_config import BootConfigReconciler
from tests.unit.machines.lab import NAMESPACE, BootApi, Document, Lab, make_lab, running

pytestmark = pytest.mark.looptime

KEY = NamespacedName(NAMESPACE, "a")


def reconciler(lab: Lab) -> tuple[BootConfigReconciler[IPXEBootConfig], Mock]:
    """The reconciler, and what takes its Events."""
    events = Mock(spec=EventRecorder)
    return BootConfigReconciler(IPXEBootConfig, lab.client, lab.cache, lab.machines, events), events


def ready(status: Document) -> Document:
    """The condition; empty if it is not there."""
    return next((entry for entry in status.get("conditions", []) if entry["type"] == "Ready"), {})


async def test_a_verdict_on_one_generation_is_not_written_onto_another() -> None:
    api = BootApi()
    api.ipxe("a")
    async with running(make_lab(api)) as lab:
        changed = {
            "systemUUID": "x",
            "kernelURL": "http://k",
            "initrdURL": "http://i",
            "ignitionSecretRef": {"name": "s"},
        }
        api.before_patch(lambda: api.update(IPXEBootConfig, "a", NAMESPACE, spec=changed))
        await reconciler(lab)[0].reconcile(KEY)
        assert ready(api.status_of(IPXEBootConfig, "a")) == {}
        await reconciler(lab)[0].reconcile(KEY)
        found = ready(api.status_of(IPXEBootConfig, "a"))
        assert (found["reason"], found["observedGeneration"]) == ("IgnitionSecretNotFound", 2)


async def test_a_verdict_survives_a_write_of_the_status_by_another() -> None:
    api = BootApi()
    api.ipxe("a")
    async with running(make_lab(api)) as lab:
        other = {"type": "Other", "status": "True", "reason": "X", "message": ""}
        api.before_patch(lambda: api.change_status(IPXEBootConfig, "a", conditions=[other]))
        await reconciler(lab)[0].reconcile(KEY)
        status = api.status_of(IPXEBootConfig, "a")
        assert [entry["type"] for entry in status["conditions"]] == ["Other", "Ready"]


async def test_a_secret_that_cannot_be_read_is_told_and_asked_for_again() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    api.secret("s", ignition=b"{}")
    api.net.fail("get", Failure(403, message="secrets is forbidden"), kind=Secret, name="s")
    async with running(make_lab(api)) as lab:
        subject, events = reconciler(lab)
        result = await subject.reconcile(KEY)
        assert isinstance(result, Result)
        assert result.requeue_after > 0
        status = api.status_of(IPXEBootConfig, "a")
        assert status["state"] == "Pending"
        assert (ready(status)["status"], ready(status)["reason"]) == ("Unknown", "SecretUnreadable")
        assert "forbidden" in ready(status)["message"]
        assert events.event.call_args.args[1:3] == ("Warning", "SecretUnreadable")


async def test_what_is_said_already_is_not_written_again() -> None:
    api = BootApi()
    api.ipxe("a")
    async with running(make_lab(api)) as lab:
        await reconciler(lab)[0].reconcile(KEY)
        await reconciler(lab)[0].reconcile(KEY)
        assert len(api.patches) == 1


async def test_what_is_said_already_is_no_event_though_the_informer_lags() -> None:
    api = BootApi()
    api.ipxe("a", ignition="s")
    async with running(make_lab(api)) as lab:
        subject, events = reconciler(lab)
        subject._cache = Mock(get=Mock(return_value=lab.config(IPXEBootConfig, "a")))
        for _ in range(3):
            await subject.reconcile(KEY)
        assert len(api.patches) == 1
        assert events.event.call_count == 1


async def test_a_404_that_is_no_api_servers_word_is_an_error_which_is_retried() -> None:
    api = BootApi()
    api.ipxe("a")
    async with running(make_lab(api)) as lab:
        with api.net.fail(("get", "patch"), NOT_SERVED), pytest.raises(NotFoundError):
            await reconciler(lab)[0].reconcile(KEY)
        await reconciler(lab)[0].reconcile(KEY)
        assert ready(api.status_of(IPXEBootConfig, "a"))["status"] == "True"


async def test_an_object_that_is_deleted_meanwhile_is_no_error() -> None:
    api = BootApi()
    api.ipxe("a")
    async with running(make_lab(api)) as lab:
        api.before_patch(lambda: api.delete(IPXEBootConfig, "a", NAMESPACE))
        assert await reconciler(lab)[0].reconcile(KEY) is None


async def test_an_object_that_is_gone_is_no_error() -> None:
    async with running(make_lab(BootApi())) as lab:
        assert await reconciler(lab)[0].reconcile(KEY) is None
