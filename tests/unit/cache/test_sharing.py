"""Equal strings of similar objects become one, and nothing else changes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_runtime.apimachinery import NamespacedName, decode, encode
from controller_runtime.cache import Store
from controller_runtime.cache.sharing import share_strings
from tests.unit.cache.kinds import Gadget


class Part(msgspec.Struct):
    text: str = ""
    number: int = 0


class Other(msgspec.Struct):
    text: str = ""


class Whole(msgspec.Struct):
    text: str | None = None
    texts: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    part: Part | Other | None = None
    values: dict[str, Any] = {}
    free: Any = None


def fresh(text: str) -> str:
    """A string of its own, as decoding makes them."""
    return "".join(list(text))


def test_equal_strings_at_every_depth_become_one() -> None:
    known, new = (
        Whole(
            text=fresh("shared"),
            texts=(fresh("one"), fresh("two")),
            parts=(Part(fresh("first")), Part(fresh("second"))),
            part=Part(fresh("inner")),
            values={"text": fresh("value"), "bytes": bytes([1, 2, 3])},
        )
        for _ in range(2)
    )
    share_strings(known, new)
    assert new.text is known.text
    assert new.texts is known.texts
    assert [part.text for part in new.parts] == ["first", "second"]
    assert all(ours.text is theirs.text for ours, theirs in zip(new.parts, known.parts, strict=True))
    assert new.part is not known.part
    assert isinstance(new.part, Part)
    assert isinstance(known.part, Part)
    assert new.part.text is known.part.text
    assert all(new.values[key] is known.values[key] for key in known.values)


@pytest.mark.parametrize(
    ("known", "new"),
    [
        pytest.param(Whole(text="a"), Whole(text=None), id="absent here"),
        pytest.param(Whole(text=None), Whole(text="a"), id="absent there"),
        pytest.param(Whole(texts=("a",)), Whole(texts=("a", "b")), id="another length"),
        pytest.param(Whole(parts=(Part("a"),)), Whole(parts=(Part("b"), Part("a"))), id="another order"),
        pytest.param(Whole(part=Part("a")), Whole(part=Other("a")), id="another type"),
        pytest.param(Whole(part=None), Whole(part=Part("a")), id="no part there"),
        pytest.param(Whole(values={"k": "a"}), Whole(values={"k": "b", "l": "a"}), id="another value"),
        pytest.param(Whole(values={"k": 1}), Whole(values={"k": True}), id="equal but not the same"),
        pytest.param(Whole(free=("x", 1)), Whole(free=("x", True)), id="equal tuples but not the same"),
        pytest.param(Whole(free={"k": "a"}), Whole(free=("a",)), id="a tuple for a map"),
        pytest.param(Whole(free=("a",)), Whole(free={"k": "a"}), id="a map for a tuple"),
        pytest.param(Whole(free=Part("a")), Whole(free=[1]), id="a list for a part"),
    ],
)
def test_what_differs_stays_as_it_is(known: Whole, new: Whole) -> None:
    before = repr(known), repr(new)
    share_strings(known, new)
    assert (repr(known), repr(new)) == before


_TEXTS = st.sampled_from(["", "a", "b", "lab", "prod"])
_GADGETS = st.fixed_dictionaries(
    {
        "metadata": st.fixed_dictionaries(
            {
                "name": _TEXTS,
                "namespace": _TEXTS,
                "labels": st.dictionaries(_TEXTS, _TEXTS),
                "finalizers": st.lists(_TEXTS),
                "ownerReferences": st.lists(st.fixed_dictionaries({"name": _TEXTS, "uid": _TEXTS})),
            }
        ),
        "spec": st.fixed_dictionaries({"size": st.integers(0, 3), "tags": st.lists(_TEXTS)}),
    }
)


@given(_GADGETS, _GADGETS)
def test_objects_stay_equal_to_what_was_decoded(known: dict[str, Any], new: dict[str, Any]) -> None:
    known_object, new_object = (decode(Gadget, msgspec.json.encode(document)) for document in (known, new))
    documents = encode(known_object), encode(new_object)
    share_strings(known_object, new_object)
    assert (encode(known_object), encode(new_object)) == documents


def test_cached_objects_share_strings_with_their_neighbours_and_their_previous_states() -> None:
    store = Store(Gadget)

    def document(name: str, version: int) -> bytes:
        metadata = {"name": name, "namespace": "lab", "uid": name, "resourceVersion": str(version)}
        return msgspec.json.encode({"metadata": metadata, "spec": {"tags": ["some", "tags"]}})

    staged = store.stage("")
    for name in ("a", "b"):
        staged.put(decode(Gadget, document(name, 1)))
    store.replace("", staged)
    store.put("", decode(Gadget, document("b", 2)))
    store.put("", decode(Gadget, document("c", 3)))
    first = store.get(NamespacedName("lab", "a"))
    assert first is not None
    assert all(obj.spec.tags is first.spec.tags for obj in store.list())
    assert all(obj.metadata.namespace is first.metadata.namespace for obj in store.list())
