"""boot.ironcore.dev/v1alpha1: what a machine boots, and what became of it.

- `IPXEBootConfig`: kernel, initrd and root file system for a machine that boots by iPXE.
- `HTTPBootConfig`: a Unified Kernel Image for a machine that boots by UEFI HTTP boot.

Both derive from `BootConfig`, which has what they share: the machine's UUID, the Secret with the Ignition, the status.

Decoding is lenient: a field that is absent or null has its default, and the empty string means absent, also where the
CRD demands a value (`kernelURL`). What is in the cluster was accepted by some CRD, perhaps an older one; whoever reads
it decides what a missing value means. Objects are frozen and shared: copy with `msgspec.structs.replace`.
"""

from api.v1alpha1.bootconfig import (
    FORMAT_BUTANE,
    BootConfig,
    BootConfigSpec,
    BootConfigStatus,
    ConditionType,
    Reason,
    SecretKey,
    SecretReference,
    State,
)
from api.v1alpha1.httpbootconfig import HTTPBootConfig, HTTPBootConfigSpec
from api.v1alpha1.ipxebootconfig import IPXEBootConfig, IPXEBootConfigSpec

__all__ = [
    "FORMAT_BUTANE",
    "BootConfig",
    "BootConfigSpec",
    "BootConfigStatus",
    "ConditionType",
    "HTTPBootConfig",
    "HTTPBootConfigSpec",
    "IPXEBootConfig",
    "IPXEBootConfigSpec",
    "Reason",
    "SecretKey",
    "SecretReference",
    "State",
]
