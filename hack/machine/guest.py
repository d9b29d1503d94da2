"""The Linux that iPXE boots: a cloud kernel and an initrd whose only program reports what Ignition would have got."""

import gzip
import os
import re
from dataclasses import dataclass
from pathlib import Path

from hack.machine.cpio import Entry, archive

_INIT = Path(__file__).with_name("init")
_DRIVERS = ("virtio_pci", "virtio_net")
_DEPENDS = re.compile(rb"(?:^|\0)depends=([^\0]*)\0")


@dataclass(frozen=True, slots=True)
class Guest:
    """What a guest is made of.

    Attributes:
        kernel: the bzImage that iPXE loads.
        busybox: a statically linked busybox with wget, insmod and base64.
        modules: directory with the virtio modules (`*.ko`) of this kernel.
    """

    kernel: Path
    busybox: Path
    modules: Path

    @classmethod
    def installed(cls) -> "Guest":
        """The guest that `hack/install-e2e-parts` has unpacked into the cache directory.

        Raises:
            FileNotFoundError: it has not been unpacked; the message names the command.
        """
        directory = _cache() / "boot-operator" / "guest" / "current"
        if not (directory / ".complete").exists():
            raise FileNotFoundError(f"no guest to boot in {directory}: run hack/install-e2e-parts")
        return cls(directory / "vmlinuz", directory / "busybox", directory / "modules")

    def initrd(self) -> bytes:
        """A gzipped initial RAM disk with `/init`, busybox and the network's modules; equal bytes at every call."""
        modules = _in_order_of_loading(self.modules, _DRIVERS)
        directories = [Entry.directory(path) for path in ("bin", "dev", "modules", "proc", "sys")]
        files = [
            Entry.file("init", _INIT.read_bytes(), executable=True),
            Entry.file("bin/busybox", self.busybox.read_bytes(), executable=True),
            Entry.file("modules/order", "".join(f"{module.name}\n" for module in modules).encode()),
        ]
        files += [Entry.file(f"modules/{module.name}", module.read_bytes()) for module in modules]
        return gzip.compress(archive(directories + files), mtime=0)


def _cache() -> Path:
    """The user's cache directory by the XDG base directory rules: a relative value of the variable is ignored."""
    named = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return named if named.is_absolute() else Path.home() / ".cache"


def _in_order_of_loading(directory: Path, drivers: tuple[str, ...]) -> list[Path]:
    """The drivers and all that they depend on, each after what it needs; a driver without a file is in the kernel."""
    order: dict[str, Path] = {}

    def add(name: str) -> None:
        module = directory / f"{name}.ko"
        if name in order or not module.exists():
            return
        for dependency in _dependencies(module):
            add(dependency)
        order[name] = module

    for driver in drivers:
        add(driver)
    return list(order.values())


def _dependencies(module: Path) -> list[str]:
    """Names that the module's `.modinfo` section lists under `depends`.

    Raises:
        ValueError: the file has no such entry, so it is no (uncompressed) kernel module.
    """
    found = _DEPENDS.search(module.read_bytes())
    if found is None:
        raise ValueError(f"{module} is no uncompressed kernel module: it does not say what it depends on")
    return [name for name in found[1].decode().split(",") if name]
