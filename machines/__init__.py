"""Who is asking, which configuration is theirs, and what bytes they get.

The one place that answers "what does this machine boot": the boot server serves it, the controllers judge
configurations by it, and `bootctl explain` shows it.

- `Machines` answers by UUID or by network identifiers with a payload, or raises a `BootError` that says in one sentence
  what stands in the way. It is synchronous and reads memory alone: the informers' stores and `BootSecrets`.
- `BootSecrets` keeps the Secrets that configurations refer to at hand.
- `register` declares the indexes; call it once per cache, before anything here reads.

Nothing here knows of HTTP, writes to the cluster, or logs the content of a Secret.
"""

from machines.boot import HTTPBoot, Machines, Payload
from machines.errors import (
    AmbiguousMachineError,
    BootError,
    ConfigurationError,
    InvalidFieldError,
    NoDefaultUKIError,
    NoIgnitionError,
    NotAvailableYetError,
    SecretKeyMissingError,
    SecretNotFetchedError,
    SecretNotFoundError,
    SecretUnreadableError,
    UnknownMachineError,
    UnsupportedFormatError,
)
from machines.index import register
from machines.keys import machine_uuid, network_identifier
from machines.secrets import BootSecrets, SecretAnswer, SecretState
from machines.stage import Stage

__all__ = [
    "AmbiguousMachineError",
    "BootError",
    "BootSecrets",
    "ConfigurationError",
    "HTTPBoot",
    "InvalidFieldError",
    "Machines",
    "NoDefaultUKIError",
    "NoIgnitionError",
    "NotAvailableYetError",
    "Payload",
    "SecretAnswer",
    "SecretKeyMissingError",
    "SecretNotFetchedError",
    "SecretNotFoundError",
    "SecretState",
    "SecretUnreadableError",
    "Stage",
    "UnknownMachineError",
    "UnsupportedFormatError",
    "machine_uuid",
    "network_identifier",
    "register",
]
