"""A kind with a field of every form that the generator knows."""

from __future__ import annotations

from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Annotated, Any, ClassVar, Literal

import msgspec

from controller_runtime.apimachinery import Condition, Object, Resource
from controller_runtime.apimachinery.meta import APIStruct


class Color(StrEnum):
    RED = "red"
    GREEN = "green"


class Level(IntEnum):
    LOW = 1
    HIGH = 2


class Part(APIStruct, frozen=True):
    """A part of something."""

    name: str
    """What it is called."""
    weight: int = 0


Short = Annotated[str, msgspec.Meta(min_length=1, max_length=9, pattern="^[a-z]*$")]
Atomic = Annotated[Part, msgspec.Meta(extra_json_schema={"x-kubernetes-map-type": "atomic"})]


class Spec(APIStruct, frozen=True):
    """All forms."""

    text: str = ""
    flag: bool = False
    number: int = 0
    small: Annotated[int, msgspec.Meta(extra_json_schema={"format": "int32"})] = 0
    share: float = 0.0
    octets: bytes = b""
    time: datetime | None = None
    items: tuple[str, ...] = ()
    lines: list[int] = []
    unique: frozenset[str] = frozenset()
    labels: dict[str, str] = {}
    free: dict[str, Any] = {}
    anything: Any = None
    raw: msgspec.Raw = msgspec.Raw()
    optional: str | None = None
    port: int | str = 0
    optional_port: int | str | None = None
    letter: Literal["a", "b"] = "a"
    digit: Literal[1, 2] = 1
    color: Color = Color.RED
    level: Level = Level.LOW
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    by_name: dict[str, Part] = {}
    atomic: Atomic | None = None
    conditions: tuple[Condition, ...] = ()
    short: Short = "a"
    few: Annotated[tuple[Short, ...], msgspec.Meta(min_length=1, max_length=3)] = ("a",)
    some: Annotated[dict[str, int], msgspec.Meta(max_length=5)] = {}
    bounded: Annotated[int, msgspec.Meta(ge=0, le=10, multiple_of=5)] = 0
    between: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.5
    defaulted: Annotated[str, msgspec.Meta(extra_json_schema={"default": "x", "minLength": 1})] = ""
    renamed_url: str = msgspec.field(default="", name="renamedURL")


class Everything(Object, frozen=True):
    """A kind with all forms."""

    resource: ClassVar[Resource] = Resource(group="example.com", version="v1", kind="Everything", plural="everythings")
    spec: Spec = Spec()
