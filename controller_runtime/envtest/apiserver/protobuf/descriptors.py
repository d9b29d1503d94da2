"""Messages and their fields, made of the table at their first use."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from typing import Final

from controller_runtime.envtest.apiserver.protobuf.table import API_VERSIONS, PACKAGES, TABLE
from controller_runtime.envtest.apiserver.protobuf.wire import FIXED64, LENGTH, VARINT

_WIRES: Final = {"bool": VARINT, "int32": VARINT, "int64": VARINT, "double": FIXED64}
_SCALARS: Final = frozenset({*_WIRES, "string", "bytes", "raw", "fields", "opaque"})
_CONTAINERS: Final = ("[]", "{}", "*")
_GO_NAMES: Final = {"metadata": "ObjectMeta", "Event.reportingComponent": "ReportingController"}
_GO_MESSAGES: Final = {"Time": "Timestamp", "MicroTime": "Timestamp"}
_INITIALISM: Final = re.compile(r"(?:api|ca|id|ip|json|uid|url)(?![a-z])")


@dataclass(slots=True)
class Message:
    """A message, by the numbers of its fields.

    Attributes:
        name: full, as that of a component.
        fields: filled in later, because messages recurse.
    """

    name: str
    fields: dict[int, Field] = field(default_factory=dict)

    @property
    def short(self) -> str:
        """Name without its package."""
        return self.name.rpartition(".")[2]

    @property
    def go_name(self) -> str:
        """Name of what Go reads, for errors."""
        return _GO_MESSAGES.get(self.short, self.short)


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message.

    Attributes:
        name: in JSON.
        go_name: in Go, for errors.
        scalar: the type of a value that is no message, else empty.
        message: the type of one that is.
        container: `[]` of a list, `{}` of a map, `*` of a pointer, else empty.
        wire: how a value is written.
    """

    name: str
    go_name: str
    scalar: str
    message: Message | None
    container: str
    wire: int


def envelope() -> Message:
    """The message around every object."""
    return messages()[f"{PACKAGES['runtime']}.Unknown"]


def kind_message(api_version: str, kind: str) -> Message:
    """The message of a kind.

    Raises:
        KeyError: there is none.
    """
    package = "meta" if kind == "DeleteOptions" else API_VERSIONS[api_version]
    return messages()[f"{PACKAGES[package]}.{kind}"]


@functools.cache
def messages() -> dict[str, Message]:
    """All messages by their names, which are those of components."""
    parsed = {
        f"{PACKAGES[package]}.{name}": (package, fields)
        for package, text in TABLE.items()
        for name, fields in _parsed(text)
    }
    made = {name: Message(name) for name in parsed}
    for name, (package, fields) in parsed.items():
        made[name].fields.update(_fields(made, package, made[name].short, fields))
    return made


def _parsed(text: str) -> list[tuple[str, str]]:
    lines = text.replace("\n  ", " ").strip().splitlines()
    return [(name, fields) for name, _, fields in (line.partition(":") for line in lines)]


def _fields(made: dict[str, Message], package: str, message: str, text: str) -> dict[int, Field]:
    fields = {}
    for words in filter(None, text.split(",")):
        number, name, type_ = (*words.split(), "string")[:3]
        container = next((each for each in _CONTAINERS if type_.startswith(each)), "")
        type_ = type_.removeprefix(container)
        scalar = type_ if type_ in _SCALARS else ""
        of = None if scalar else made[_full_name(package, type_)]
        wire = LENGTH if container == "{}" else _WIRES.get(type_, LENGTH)
        fields[int(number)] = Field(name, _go_name(message, name), scalar, of, container, wire)
    return fields


def _full_name(package: str, type_: str) -> str:
    other, _, name = type_.rpartition(".")
    return f"{PACKAGES[other or package]}.{name}"


def _go_name(message: str, name: str) -> str:
    for known in (name, f"{message}.{name}"):
        if known in _GO_NAMES:
            return _GO_NAMES[known]
    name = name.removeprefix("$")
    if name.startswith("x-kubernetes-"):
        return "X" + "".join(word.capitalize() for word in name.split("-")[2:])
    found = _INITIALISM.match(name)
    end = found.end() if found else 1
    return name[:end].upper() + name[end:]
