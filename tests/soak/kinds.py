"""What the soak's operator works on."""

from __future__ import annotations

from typing import ClassVar, Final

from msgspec.structs import replace

from controller_runtime.apimachinery import Object, ObjectMeta, Resource
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.controller import set_controller_reference

NAMESPACES: Final = ("soak-0", "soak-1", "soak-2", "soak-3")
SWEPT: Final = "soak-swept"
"""The namespace whose Widgets are deleted all at once, now and then."""
ALL_NAMESPACES: Final = (*NAMESPACES, SWEPT)
GUARD: Final = "soak.example.com/guard"
"""The finalizer of those Widgets that have one; the operator removes it."""
GOLD: Final = "tier=gold"
"""What one informer selects."""
OURS: Final = {"app": "soak"}
"""Labels of children."""
PROBE: Final = "soak.example.com/probe"
"""An annotation that means nothing."""


class WidgetSpec(APIStruct, frozen=True):
    """What is wanted."""

    size: int = 0
    colour: str = ""
    child: bool = False
    """Whether there should be a child."""


class WidgetStatus(APIStruct, frozen=True):
    """What the operator did."""

    seen: str = ""


class Widget(Object, frozen=True, kw_only=True, gc=False):
    """What the workload writes, and the operator reconciles."""

    resource: ClassVar[Resource] = Resource("soak.example.com", "v1", "Widget", "widgets")
    spec: WidgetSpec = WidgetSpec()
    status: WidgetStatus = WidgetStatus()


class Digest(Object, frozen=True, kw_only=True, gc=False):
    """The same objects under another type, which is cached without annotations."""

    resource: ClassVar[Resource] = Widget.resource
    partial: ClassVar[bool] = True
    spec: WidgetSpec = WidgetSpec()


class Child(Object, frozen=True, kw_only=True, gc=False):
    """A ConfigMap of the name of its Widget."""

    resource: ClassVar[Resource] = Resource("", "v1", "ConfigMap", "configmaps")
    data: dict[str, str] = {}


def result_of(spec: WidgetSpec) -> str:
    """What the status has to say, and the child."""
    return f"{spec.size} {spec.colour} {spec.child}"


def child_of(widget: Widget) -> Child:
    """The child as it should be."""
    metadata = ObjectMeta(namespace=widget.metadata.namespace, name=widget.metadata.name, labels=OURS)
    data = {"seen": result_of(widget.spec), "padding": "x" * 300}
    return set_controller_reference(widget, Child(metadata=metadata, data=data))


def is_child_of(child: Child, widget: Widget) -> bool:
    """Whether a child, cached or not, is as it should be."""
    owner = child.controller_owner
    return child.data.get("seen") == result_of(widget.spec) and owner is not None and owner.uid == widget.metadata.uid


def without_annotations(digest: Digest) -> Digest:
    """A transform."""
    return replace(digest, metadata=replace(digest.metadata, annotations={}))


def without_padding(child: Child) -> Child:
    """A transform."""
    return replace(child, data={name: text for name, text in child.data.items() if name != "padding"})


def colours_of(widget: Widget) -> tuple[str, ...]:
    """An index: each Widget has one value, many share it."""
    return (widget.spec.colour,)


def sizes_of(widget: Widget) -> tuple[str, ...]:
    """An index: an even size has two values, an odd one has none."""
    size = widget.spec.size
    return () if size % 2 else (f"size-{size}", f"half-{size // 2}")
