"""What a machine fetches on its way up, and which words of the API belong to each step."""

from __future__ import annotations

from enum import Enum

from api.v1alpha1 import ConditionType, Reason, SecretKey


class Stage(Enum):
    """A step of booting whose delivery is recorded in the configuration's status.

    Attributes:
        label: name in metrics and log lines.
        condition_type: the condition that records the delivery.
        delivered: its reason.
        message: its message.
        secret_field: the field of the configuration that names the Secret.
        secret_key: the key of that Secret that is served.
        secret_not_found: reason when there is no such Secret.
        key_missing: reason when it lacks the key.
    """

    IPXE_SCRIPT = (
        "ipxe-script",
        ConditionType.IPXE_SCRIPT_FETCHED,
        Reason.IPXE_SCRIPT_DELIVERED,
        "The machine has been given its iPXE script.",
        "ipxeScriptSecretRef",
        SecretKey.IPXE_SCRIPT,
        Reason.IPXE_SCRIPT_SECRET_NOT_FOUND,
        Reason.IPXE_SCRIPT_KEY_MISSING,
    )
    """The iPXE script of this machine; the chain script, which is the same for all, is not recorded."""
    IGNITION = (
        "ignition",
        ConditionType.IGNITION_DATA_FETCHED,
        Reason.IGNITION_DATA_DELIVERED,
        "The machine has been given its Ignition.",
        "ignitionSecretRef",
        SecretKey.IGNITION,
        Reason.IGNITION_SECRET_NOT_FOUND,
        Reason.IGNITION_KEY_MISSING,
    )

    def __init__(
        self,
        label: str,
        condition_type: ConditionType,
        delivered: Reason,
        message: str,
        secret_field: str,
        secret_key: SecretKey,
        secret_not_found: Reason,
        key_missing: Reason,
    ) -> None:
        self.label = label
        self.condition_type = condition_type
        self.delivered = delivered
        self.message = message
        self.secret_field = secret_field
        self.secret_key = secret_key
        self.secret_not_found = secret_not_found
        self.key_missing = key_missing
