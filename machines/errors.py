"""What can stand between a machine and what it boots, as one tree that knows nothing of HTTP.

    BootError
    ├── UnknownMachineError         no configuration names the machine
    ├── AmbiguousMachineError       several do, and nothing says which of them to use
    ├── NotAvailableYetError        asking again shortly will help
    │   ├── SecretNotFetchedError   the Secret has not been read since the start, or was evicted; it is being fetched
    │   └── SecretUnreadableError   the last attempt failed; it is retried
    ├── ConfigurationError          the configuration was found, and it has to be changed
    │   ├── NoIgnitionError         it refers to no Ignition
    │   ├── SecretNotFoundError     the Secret that it refers to does not exist
    │   ├── SecretKeyMissingError   that Secret lacks the key
    │   ├── UnsupportedFormatError  the Ignition is in a format that cannot be translated
    │   └── InvalidFieldError       a value of the spec cannot be used
    └── NoDefaultUKIError           an unknown machine asked for UEFI HTTP boot, and there is no default for those

The text of each is one sentence for people, without the content of any Secret; it may be shown to the client.
"""

from __future__ import annotations

from collections.abc import Iterable

from api.v1alpha1 import BootConfig, Reason
from controller_runtime.apimachinery import NamespacedName
from machines.stage import Stage

_MOST_NAMES = 8  # the text goes into conditions, which hold 32 kB, and any number of objects may copy one UUID


class BootError(Exception):
    """Base of the tree.

    Attributes:
        reason: CamelCase identifier for programs: a `Reason` of the API where it has one.
    """

    reason: str = ""


class UnknownMachineError(BootError):
    """No configuration names the machine."""

    reason = "UnknownMachine"


class AmbiguousMachineError(BootError):
    """Several configurations name the machine.

    Attributes:
        configs: all of them, by namespace and name.
    """

    reason = Reason.AMBIGUOUS_MACHINE

    def __init__(self, configs: Iterable[BootConfig]) -> None:
        self.configs = tuple(sorted(configs, key=lambda config: config.key))
        kind = type(self.configs[0]).resource.kind
        names = ", ".join(str(config.key) for config in self.configs[:_MOST_NAMES])
        if (more := len(self.configs) - _MOST_NAMES) > 0:
            names += f" and {more} more"
        super().__init__(f"several objects of kind {kind} name this machine, delete all but one: {names}")


class NoDefaultUKIError(BootError):
    """There is nothing to boot for a machine without an HTTPBootConfig."""

    reason = "NoDefaultUKI"

    def __init__(self) -> None:
        super().__init__(
            "no HTTPBootConfig names this machine and HTTP boot has no default: "
            "create an HTTPBootConfig or set --default-httpboot-uki-url"
        )


class NotAvailableYetError(BootError):
    """The answer is not known at this moment and will be shortly, without anybody's doing."""


class ConfigurationError(BootError):
    """The configuration that was found cannot be served as it is.

    Attributes:
        config: that configuration.
    """

    def __init__(self, config: BootConfig, problem: str) -> None:
        self.config = config
        super().__init__(f"{type(config).resource.kind} {config.key}: {problem}")


class NoIgnitionError(ConfigurationError):
    """The configuration has no `ignitionSecretRef`."""

    reason = "NoIgnition"

    def __init__(self, config: BootConfig) -> None:
        super().__init__(config, "it has no Ignition, set spec.ignitionSecretRef to name a Secret")


class InvalidFieldError(ConfigurationError):
    """A value of the spec cannot be used.

    Attributes:
        field: its JSON path (`spec.kernelURL`).
    """

    reason = Reason.INVALID_FIELD

    def __init__(self, config: BootConfig, field: str, problem: str) -> None:
        self.field = field
        super().__init__(config, f"{field} {problem}")


class SecretNotFoundError(ConfigurationError):
    """The Secret does not exist in the namespace of the configuration.

    Attributes:
        stage: what the Secret was needed for.
        secret: its namespace and name.
    """

    def __init__(self, config: BootConfig, stage: Stage, secret: NamespacedName) -> None:
        self.stage = stage
        self.secret = secret
        self.reason = stage.secret_not_found
        super().__init__(config, f"the Secret {secret} named by spec.{stage.secret_field} does not exist, create it")


class SecretKeyMissingError(ConfigurationError):
    """The Secret exists and lacks the key.

    Attributes:
        stage: what the Secret was needed for.
        secret: its namespace and name.
    """

    def __init__(self, config: BootConfig, stage: Stage, secret: NamespacedName) -> None:
        self.stage = stage
        self.secret = secret
        self.reason = stage.key_missing
        super().__init__(
            config, f'the Secret {secret} named by spec.{stage.secret_field} has no key "{stage.secret_key}", add it'
        )


class UnsupportedFormatError(ConfigurationError):
    """The Ignition is written in a format that cannot be translated.

    Attributes:
        secret: the Secret it is in.
    """

    reason = Reason.UNSUPPORTED_FORMAT

    def __init__(self, config: BootConfig, secret: NamespacedName, format_name: str) -> None:
        self.secret = secret
        super().__init__(
            config,
            f'the Secret {secret} has format "{format_name}" (Butane), which cannot be translated: '
            'store Ignition and remove the key "format"',
        )


class SecretNotFetchedError(NotAvailableYetError):
    """The Secret is being fetched.

    Attributes:
        secret: its namespace and name.
    """

    reason = "SecretNotFetched"

    def __init__(self, secret: NamespacedName) -> None:
        self.secret = secret
        super().__init__(f"the Secret {secret} has not been fetched yet, ask again in a second")


class SecretUnreadableError(NotAvailableYetError):
    """The Secret could not be read; it is retried in the background.

    Attributes:
        secret: its namespace and name.
    """

    reason = Reason.SECRET_UNREADABLE

    def __init__(self, secret: NamespacedName, error: str) -> None:
        self.secret = secret
        super().__init__(f"the Secret {secret} could not be read and is retried: {error}")
