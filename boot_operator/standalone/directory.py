"""A directory of manifests, applied at the start and file by file when one changes.

Changes are found by looking once a second at each file's times, size and inode. Notifications of the kernel would tell
of them sooner, but not on network file systems, and not without a dependency; a lab has hundreds of files, and a look
at a thousand takes some milliseconds, in a thread.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol

import structlog

from boot_operator.standalone.applier import UnknownKindError
from boot_operator.standalone.errors import StandaloneError
from boot_operator.standalone.manifests import Manifest, ManifestError, ObjectKey, manifest_files, rank, read_manifests
from controller_runtime.client import ClientError

POLL_SECONDS = 1.0
"""Between two looks at the directory."""
RETRY_SECONDS = 5.0
"""After which a file that was refused is tried again: what it lacked may be there by now."""

_Objects = dict[ObjectKey, str]  # with their apiVersion
_LEFT_OVER = ""  # in the place of a file's name: what an earlier process had in hand when it was killed

log = structlog.get_logger("boot_operator.standalone")


class Applies(Protocol):
    """What `Applier` does."""

    async def apply(self, manifest: Manifest) -> bool:
        """See `Applier.apply`."""

    async def delete(self, api_version: str, key: ObjectKey) -> bool:
        """See `Applier.delete`."""


class _Signature(NamedTuple):
    """What changes when a file does."""

    modified: int
    changed: int
    size: int
    inode: int

    @classmethod
    def of(cls, file: Path) -> _Signature:
        status = file.stat()
        return cls(status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


@dataclass(slots=True)
class _File:
    """What is known of a file.

    Attributes:
        signature: when it was last read; None if only an earlier process read it.
        objects: what it named when it was last readable.
        problem: why it was not applied; empty if it was.
        retry_at: when it is tried again, by the loop's clock.
    """

    signature: _Signature | None = None
    objects: _Objects = field(default_factory=dict)
    problem: str = ""
    retry_at: float = 0.0


@dataclass(slots=True)
class _Change:
    """A file on its way through one look at the directory; without a signature it is one that is gone.

    Attributes:
        before: what it named until now.
        dropped: what of that no file names any more.
    """

    name: str
    signature: _Signature | None = None
    manifests: list[Manifest] = field(default_factory=list)
    before: _Objects = field(default_factory=dict)
    dropped: _Objects = field(default_factory=dict)
    applied: int = 0
    created: int = 0
    deleted: int = 0
    problems: list[str] = field(default_factory=list)


class Inventory:
    """Remembers in a file which objects each manifest named, so that a later process knows what is gone.

    Args:
        path: where; None remembers nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._written: str | None = None

    def load(self) -> dict[str, _Objects]:
        """What was saved last; nothing if there is nothing.

        Raises:
            StandaloneError: the file cannot be read or is damaged.
        """
        if self._path is None or not self._path.exists():
            return {}
        try:
            files = json.loads(self._path.read_text(encoding="utf-8"))
            return {
                name: {ObjectKey(*key): api_version for api_version, *key in objects} for name, objects in files.items()
            }
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise StandaloneError(
                f"{self._path}, which has the objects of earlier manifests, cannot be read: {error}; remove it to keep "
                "all of them"
            ) from error

    def save(self, files: Mapping[str, _Objects]) -> None:
        """Replaces what is remembered; nothing is written if it is the same."""
        entries = {name: [[version, *key] for key, version in objects.items()] for name, objects in files.items()}
        text = json.dumps(entries, indent=1, sort_keys=True)
        if self._path is None or text == self._written:
            return
        new = self._path.with_suffix(".new")
        new.write_text(text, encoding="utf-8")
        new.replace(self._path)
        self._written = text


class ManifestDirectory:
    """Keeps what the API server has in step with the files of a directory; one log line for each file that changed.

    Objects of a file that is removed, or that a file names no more, stay or are deleted, as `prune` says. A file that
    cannot be read takes nothing away: what it named when it was last readable counts. Deleting an object by other means
    does not bring it back until its file changes or the process starts again.

    Args:
        path: the directory.
        applier: applies and deletes.
        prune: whether objects go that are named no more.
        inventory: remembers objects for a later process.
    """

    def __init__(self, path: Path, applier: Applies, *, prune: bool, inventory: Inventory) -> None:
        self._path = path
        self._applier = applier
        self._prune = prune
        self._inventory = inventory
        self._files = {name: _File(objects=objects) for name, objects in inventory.load().items()}
        self._unreadable = ""

    async def follow(self) -> NoReturn:
        """Goes on applying what changes, until it is cancelled."""
        while True:
            await asyncio.sleep(POLL_SECONDS)
            await self.apply_changes()

    async def apply_changes(self) -> None:
        """Applies the files that have changed since the last time, and those that failed a while ago."""
        try:
            found = await asyncio.to_thread(_signatures, self._path)
        except OSError as error:
            if self._unreadable != str(error):
                log.error("the directory of manifests cannot be read", error=str(error))
            self._unreadable = str(error)
            return
        self._unreadable = ""
        changes = [await self._read(name, found[name]) for name in found if self._is_due(name, found[name])]
        changes += [_Change(name) for name in sorted(self._files.keys() - found.keys())]
        if not changes:
            return
        remembered = self._objects()
        for change in changes:
            self._note(change)
        # Before anything is applied: whatever happens then, an object that is there is one that is remembered.
        self._save({_LEFT_OVER: remembered})
        await self._apply(changes)
        await self._let_go(changes)
        self._save({})
        for change in changes:
            self._tell(change)

    def _objects(self) -> _Objects:
        return {key: version for file in self._files.values() for key, version in file.objects.items()}

    def _save(self, also: Mapping[str, _Objects]) -> None:
        self._inventory.save({name: file.objects for name, file in self._files.items()} | dict(also))

    def _is_due(self, name: str, signature: _Signature) -> bool:
        file = self._files.get(name)
        if file is None or file.signature != signature:
            return True
        return bool(file.problem) and asyncio.get_running_loop().time() >= file.retry_at

    async def _read(self, name: str, signature: _Signature) -> _Change:
        change = _Change(name, signature)
        try:
            change.manifests = await asyncio.to_thread(read_manifests, self._path / name)
        except ManifestError as error:
            change.problems.append(str(error))
        return change

    def _note(self, change: _Change) -> None:
        if change.signature is None:
            change.before = self._files.pop(change.name).objects
            return
        file = self._files.setdefault(change.name, _File())
        file.signature = change.signature
        change.before = file.objects
        if not change.problems:
            file.objects = {manifest.key: manifest.api_version for manifest in change.manifests}

    async def _apply(self, changes: Iterable[_Change]) -> None:
        """Namespaces of all files first, then kinds, then the rest, so that the order of files does not matter."""
        everything = [(manifest, change) for change in changes for manifest in change.manifests]
        for manifest, change in sorted(everything, key=lambda pair: rank(pair[0].key)):
            try:
                change.created += await self._applier.apply(manifest)
                change.applied += 1
            except (ClientError, UnknownKindError) as error:
                change.problems.append(str(error))

    async def _let_go(self, changes: Iterable[_Change]) -> None:
        """Finds what nothing names any more and, if that is wanted, deletes it; what others need goes last."""
        wanted = self._objects()
        for change in changes:
            change.dropped = {key: version for key, version in change.before.items() if key not in wanted}
        if self._prune:
            dropped = [(key, change) for change in changes for key in change.dropped]
            for key, change in sorted(dropped, key=lambda pair: -rank(pair[0])):
                change.deleted += await self._delete(change.dropped[key], key)

    async def _delete(self, api_version: str, key: ObjectKey) -> bool:
        try:
            return await self._applier.delete(api_version, key)
        except ClientError as error:
            log.error("an object that no manifest names any more cannot be deleted", object=str(key), error=str(error))
            return False

    def _tell(self, change: _Change) -> None:
        facts: dict[str, object] = {"file": change.name} if change.name != _LEFT_OVER else {}
        if change.dropped:
            facts |= {"deleted": change.deleted} if self._prune else {"left": len(change.dropped)}
        if change.signature is None:
            log.info("manifests were removed", **facts)
            return
        file = self._files[change.name]
        problem = " | ".join(change.problems)
        if not problem:
            log.info("applied manifests", objects=change.applied, created=change.created, **facts)
        elif problem != file.problem:
            log.error("manifests cannot be applied", error=problem, applied=change.applied, **facts)
        file.problem = problem
        file.retry_at = asyncio.get_running_loop().time() + RETRY_SECONDS


def _signatures(directory: Path) -> dict[str, _Signature]:
    found = {}
    for file in manifest_files(directory):
        try:
            found[file.name] = _Signature.of(file)
        except FileNotFoundError:  # it was removed while we looked
            continue
    return found
