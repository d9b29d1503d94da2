"""The Ignition of a configuration, from what is known of the Secret that holds it."""

from __future__ import annotations

from api.v1alpha1 import FORMAT_BUTANE, BootConfig, SecretKey
from controller_runtime.apimachinery import NamespacedName
from machines.content import secret_content
from machines.errors import UnsupportedFormatError
from machines.secrets import SecretAnswer
from machines.stage import Stage


def ignition_payload(config: BootConfig, answer: SecretAnswer) -> bytes:
    """The Ignition that the configuration's Secret holds.

    Raises:
        UnsupportedFormatError: it is Butane, which cannot be translated.
        BootError: as `secret_content`.
    """
    name = config.ignition_secret_name
    content = secret_content(config, Stage.IGNITION, name, answer)
    if answer.data.get(SecretKey.FORMAT, b"").strip() == FORMAT_BUTANE.encode():
        raise UnsupportedFormatError(config, NamespacedName(config.metadata.namespace, name), FORMAT_BUTANE)
    return content
