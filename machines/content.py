"""What a Secret holds for one step of booting, or what stands in the way."""

from __future__ import annotations

from api.v1alpha1 import BootConfig
from controller_runtime.apimachinery import NamespacedName
from machines.errors import SecretKeyMissingError, SecretNotFetchedError, SecretNotFoundError, SecretUnreadableError
from machines.secrets import SecretAnswer, SecretState
from machines.stage import Stage


def secret_content(config: BootConfig, stage: Stage, name: str, answer: SecretAnswer) -> bytes:
    """What the Secret holds for the stage, as it is.

    Args:
        config: the configuration that names the Secret.
        stage: tells which key is wanted.
        name: name of the Secret.
        answer: what is known of it.

    Raises:
        SecretNotFetchedError: its content is not at hand.
        SecretUnreadableError: it could not be read.
        SecretNotFoundError: it does not exist.
        SecretKeyMissingError: it lacks the key.
    """
    secret = NamespacedName(config.metadata.namespace, name)
    match answer.state:
        case SecretState.PENDING:
            raise SecretNotFetchedError(secret)
        case SecretState.FAILED:
            raise SecretUnreadableError(secret, answer.error)
        case SecretState.ABSENT:
            raise SecretNotFoundError(config, stage, secret)
        case SecretState.PRESENT:
            content = answer.data.get(stage.secret_key)
    if content is None:
        raise SecretKeyMissingError(config, stage, secret)
    return content
