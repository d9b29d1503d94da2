"""Kinds and how they name their resource."""

from __future__ import annotations

import typing
from typing import ClassVar

import pytest

from controller_runtime.apimachinery import Object, Resource, metadata_of

WIDGETS = Resource(group="example.com", version="v1", kind="Widget", plural="widgets")
NEEDED = r"needs `resource: ClassVar\[Resource\] = Resource\(\.\.\.\)`"


class Base(Object, frozen=True, kw_only=True, gc=False):
    """Names no resource, as a base of kinds may."""

    size: int = 0


class Widget(Base, frozen=True, kw_only=True, gc=False):
    resource: ClassVar[Resource] = WIDGETS


class Gadget(Base, frozen=True, kw_only=True, gc=False):
    resource: typing.ClassVar[Resource] = WIDGETS


class Bare(Base, frozen=True, kw_only=True, gc=False):
    resource = WIDGETS


@pytest.mark.parametrize("kind", [Widget, Gadget, Bare])
def test_a_kind_names_its_resource_beside_its_fields(kind: type[Object]) -> None:
    assert kind.resource is WIDGETS
    assert metadata_of(kind).resource is WIDGETS
    assert kind.__struct_fields__ == ("metadata", "size")


@pytest.mark.parametrize("asked", [pytest.param(Base, id="class"), pytest.param(Base(), id="object")])
def test_a_class_without_a_resource_says_so_when_it_is_asked_for_one(asked: typing.Any) -> None:
    with pytest.raises(AttributeError, match=f"Base {NEEDED}"):
        _ = asked.resource


def test_a_resource_that_would_be_a_field_is_refused() -> None:
    with pytest.raises(TypeError, match=f"Wrong {NEEDED}"):

        class Wrong(Object, frozen=True, kw_only=True, gc=False):
            resource: Resource = WIDGETS  # type: ignore[misc]
