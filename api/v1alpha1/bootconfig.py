"""What the kinds of boot.ironcore.dev/v1alpha1 share: identity, references, status, and the words used in them.

Docstrings of types and fields are the descriptions in the CRDs: they speak to the users of the API and call fields by
their JSON names.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final

import msgspec

from controller_runtime.apimachinery import Condition, Object, Resource
from controller_runtime.apimachinery.meta import APIStruct


class State(StrEnum):
    """Values of `status.state`.

    The CRDs have no enum on it and the field is decoded as a plain string, so other values may occur: they mean none of
    these.
    """

    READY = "Ready"
    """Everything that the configuration refers to is there."""
    PENDING = "Pending"
    """Not judged yet."""
    ERROR = "Error"
    """Something is missing or wrong; the condition `Ready` says what."""


class ConditionType(StrEnum):
    """Types in `status.conditions`."""

    READY = "Ready"
    """Whether the machine can boot with this configuration; its reason says what is missing."""
    IPXE_SCRIPT_FETCHED = "IPXEScriptFetched"
    """True once the machine has been given its iPXE script; the transition time is that of the latest delivery."""
    IGNITION_DATA_FETCHED = "IgnitionDataFetched"
    """True once the machine has been given its Ignition; the transition time is that of the latest delivery."""


class Reason(StrEnum):
    """Reasons of the conditions."""

    CONFIGURATION_VALID = "ConfigurationValid"
    """`Ready` is True: each Secret that is referred to exists and has its key."""
    IGNITION_SECRET_NOT_FOUND = "IgnitionSecretNotFound"  # noqa: S105 - a reason, not a password
    """`Ready` is False: the Secret named by `ignitionSecretRef` does not exist."""
    IGNITION_KEY_MISSING = "IgnitionKeyMissing"
    """`Ready` is False: that Secret has no key `ignition`."""
    IPXE_SCRIPT_SECRET_NOT_FOUND = "IPXEScriptSecretNotFound"  # noqa: S105 - a reason, not a password
    """`Ready` is False: the Secret named by `ipxeScriptSecretRef` does not exist."""
    IPXE_SCRIPT_KEY_MISSING = "IPXEScriptKeyMissing"
    """`Ready` is False: that Secret has no key `ipxe-script`."""
    AMBIGUOUS_MACHINE = "AmbiguousMachine"
    """`Ready` is False: another configuration names the same machine and nothing says which of them to use."""
    SECRET_UNREADABLE = "SecretUnreadable"  # noqa: S105 - a reason, not a password
    """`Ready` is Unknown: a Secret that is referred to could not be read; it is tried again."""
    UNSUPPORTED_FORMAT = "UnsupportedFormat"
    """`Ready` is False: the Ignition is Butane, which cannot be translated yet."""
    INVALID_FIELD = "InvalidField"
    """`Ready` is False: a value of the spec cannot be used."""
    IPXE_SCRIPT_DELIVERED = "IPXEScriptDelivered"
    """Of `IPXEScriptFetched`."""
    IGNITION_DATA_DELIVERED = "IgnitionDataDelivered"
    """Of `IgnitionDataFetched`."""


class SecretKey(StrEnum):
    """Keys read in the Secrets that configurations refer to."""

    IGNITION = "ignition"
    """The Ignition configuration, or Butane where `format` says so."""
    FORMAT = "format"
    """How `ignition` is written (see `FORMAT_BUTANE`); surrounding white space does not count."""
    IPXE_SCRIPT = "ipxe-script"
    """An iPXE script that is served in place of the default one."""


FORMAT_BUTANE: Final = "fcos"
"""The one value of `SecretKey.FORMAT` with a meaning: `ignition` is Butane YAML, of any variant, which cannot be served
as it is. With any other value, and without one, the bytes are served as they are."""


class SecretReference(APIStruct, frozen=True, kw_only=True, gc=False):
    """Names a Secret in the namespace of the configuration."""

    name: Annotated[str, msgspec.Meta(extra_json_schema={"default": ""})] = ""
    """Name of the Secret. Empty means that there is no reference."""


AtomicSecretReference = Annotated[SecretReference, msgspec.Meta(extra_json_schema={"x-kubernetes-map-type": "atomic"})]
"""A reference with one owner in server-side apply: whoever applies it owns all of it."""


class BootConfigSpec(APIStruct, frozen=True, kw_only=True, gc=False):
    """The wish: which machine, and which Ignition it gets."""

    system_uuid: str = msgspec.field(default="", name="systemUUID")
    """UUID of the machine as its firmware reports it (SMBIOS); case does not matter."""
    ignition_secret_ref: AtomicSecretReference | None = None
    """Secret whose key "ignition" holds the machine's Ignition configuration. If its key "format" is "fcos", the
    configuration is Butane, which cannot be served yet."""


class BootConfigStatus(APIStruct, frozen=True, kw_only=True, gc=False):
    """What was observed: whether the configuration can be used, and what has been delivered to the machine."""

    state: str = ""
    """Summary: Ready, Pending or Error. The condition Ready has the details."""
    conditions: tuple[Condition, ...] = ()
    """Observations in detail. Ready tells whether the machine can boot and if not why; IPXEScriptFetched and
    IgnitionDataFetched tell what the machine has been given and when last."""


class BootConfig(Object, frozen=True, kw_only=True, gc=False):
    """What both kinds have in common; no kind itself."""

    spec: BootConfigSpec = BootConfigSpec()
    """What the machine shall boot."""
    status: BootConfigStatus = BootConfigStatus()
    """What was observed; written by the operator alone."""

    @property
    def ignition_secret_name(self) -> str:
        """Name of the Secret with the Ignition, in the object's namespace; empty without a reference."""
        return referenced_name(self.spec.ignition_secret_ref)

    @property
    def secret_names(self) -> tuple[str, ...]:
        """Names of all Secrets that the object refers to, each once."""
        return distinct_names(self.ignition_secret_name)


def referenced_name(reference: SecretReference | None) -> str:
    """The name in a reference; empty without one."""
    return reference.name if reference else ""


def distinct_names(*names: str) -> tuple[str, ...]:
    """The names that are not empty, each once, in order."""
    return tuple(dict.fromkeys(name for name in names if name))


def boot_resource(kind: str) -> Resource:
    """How a kind of this group and version is addressed."""
    return Resource(
        group="boot.ironcore.dev",
        version="v1alpha1",
        kind=kind,
        plural=f"{kind.lower()}s",
        install="kubectl apply -k config/crd",
    )
