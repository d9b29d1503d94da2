"""The archive format of an initial RAM disk: cpio's "newc", written without the cpio program.

Layout: Documentation/driver-api/early-userspace/buffer-format.rst of the Linux sources.
"""

import stat
from collections.abc import Iterable
from dataclasses import dataclass

_MAGIC = b"070701"
_TRAILER = "TRAILER!!!"


@dataclass(frozen=True, slots=True)
class Entry:
    """A directory or a regular file of the archive, owned by root.

    Attributes:
        path: where the kernel unpacks it, relative to `/`, its parent being an earlier entry.
        mode: type and permission bits, as in `st_mode`.
        content: the file's bytes; empty for a directory.
    """

    path: str
    mode: int
    content: bytes = b""

    @classmethod
    def directory(cls, path: str) -> "Entry":
        """A directory that everybody may enter."""
        return cls(path, stat.S_IFDIR | 0o755)

    @classmethod
    def file(cls, path: str, content: bytes, *, executable: bool = False) -> "Entry":
        """A regular file that everybody may read, and run where `executable`."""
        return cls(path, stat.S_IFREG | (0o755 if executable else 0o644), content)


def archive(entries: Iterable[Entry]) -> bytes:
    """All entries in the order given, followed by the trailer that ends an archive."""
    numbered = [_record(inode, entry) for inode, entry in enumerate(entries, start=1)]
    return b"".join([*numbered, _record(0, Entry(_TRAILER, 0))])


def _record(inode: int, entry: Entry) -> bytes:
    """One entry: 13 numbers of 8 hexadecimal digits, the name and the content, each padded to 4 bytes."""
    name = entry.path.encode() + b"\0"
    uid = gid = mtime = device_major = device_minor = special_major = special_minor = checksum = 0
    links = 1
    ownership = (inode, entry.mode, uid, gid, links, mtime, len(entry.content))
    devices = (device_major, device_minor, special_major, special_minor)
    header = _MAGIC + b"".join(b"%08X" % number for number in (*ownership, *devices, len(name), checksum))
    return _padded(header + name) + _padded(entry.content)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
