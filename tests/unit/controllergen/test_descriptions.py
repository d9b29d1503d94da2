"""Descriptions come from docstrings of types and fields, bases included."""

from __future__ import annotations

from typing import Annotated, ClassVar

import msgspec
import pytest

from controller_runtime.apimachinery import Object, Resource
from controller_runtime.apimachinery.meta import APIStruct
from controller_runtime.controllergen import GenerationError, open_api_schema
from controller_runtime.controllergen.descriptions import field_descriptions, type_description


class Address(APIStruct, frozen=True):
    """Where somebody lives.

    A second
    paragraph.
    """

    street: str = ""
    """The street,
    on two lines.

      - and something indented
    """
    city: str = ""
    town: str = ""
    "In a single-quoted docstring."
    x = 1
    """No field: it has no annotation."""


class Mansion(Address, frozen=True):
    city: str = ""
    """Overrides a field without words."""
    town: str = ""
    rooms: int = 0
    """New here."""


class House(Object, frozen=True):
    resource: ClassVar[Resource] = Resource(group="example.com", version="v1", kind="House", plural="houses")
    own_words: Address = Address()
    """Said at the field."""
    type_words: Address = Address()
    meta_words: Annotated[Address, msgspec.Meta(description="Said in Meta.")] = Address()


def test_lines_are_joined_and_paragraphs_kept() -> None:
    assert type_description(Address) == "Where somebody lives.\n\nA second paragraph."


def test_a_class_does_not_speak_with_the_words_of_its_base() -> None:
    assert type_description(Mansion) == ""


def test_fields_are_described_by_the_string_after_them() -> None:
    assert field_descriptions(Address) == {
        "street": "The street, on two lines.\n\n- and something indented",
        "town": "In a single-quoted docstring.",
    }


def test_fields_of_bases_keep_their_words_unless_there_are_newer_ones() -> None:
    assert field_descriptions(Mansion) == {
        "street": "The street, on two lines.\n\n- and something indented",
        "city": "Overrides a field without words.",
        "town": "In a single-quoted docstring.",
        "rooms": "New here.",
    }


def test_the_words_at_the_field_win_over_those_in_meta_and_of_the_type() -> None:
    properties = open_api_schema(House)["properties"]
    assert properties["ownWords"]["description"] == "Said at the field."
    assert properties["typeWords"]["description"] == "Where somebody lives.\n\nA second paragraph."
    assert properties["metaWords"]["description"] == "Said in Meta."


def test_a_class_without_source_is_an_error() -> None:
    made = msgspec.defstruct("Made", [("name", str)])
    with pytest.raises(GenerationError, match="cannot read the source of Made, where its docstrings are"):
        field_descriptions(made)
