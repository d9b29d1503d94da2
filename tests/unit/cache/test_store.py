"""The store alone: keys, namespaces, indexes, replacement."""

from __future__ import annotations

import gc
from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller_runtime.apimachinery import NamespacedName, ObjectMeta
from controller_runtime.cache import IndexConflictError, NotCachedError, Store, UnknownIndexError
from tests.unit.cache.kinds import Gadget, GadgetSpec, Planet


def gadget(name: str, namespace: str = "lab", *, size: int = 0, tags: Iterable[str] = (), version: int = 1) -> Gadget:
    metadata = ObjectMeta(name=name, namespace=namespace, uid=f"uid-{name}", resource_version=str(version))
    return Gadget(metadata=metadata, spec=GadgetSpec(size=size, tags=tuple(tags)))


def keys(objects: Iterable[Gadget]) -> set[str]:
    return {str(obj.key) for obj in objects}


def tags_of(obj: Gadget) -> Iterable[str]:
    return obj.spec.tags


@pytest.fixture
def store() -> Store[Gadget]:
    made = Store(Gadget)
    made.add_index("tags", tags_of)
    return made


def test_an_object_is_found_by_its_key_and_as_itself(store: Store[Gadget]) -> None:
    one = gadget("one")
    store.put("", one)
    assert store.get(one.key) is one
    assert store.get(NamespacedName("lab", "two")) is None
    assert store.get(NamespacedName("elsewhere", "one")) is None


@pytest.mark.parametrize("kind", [pytest.param(Gadget, id="namespaced"), pytest.param(Planet, id="cluster-scoped")])
@pytest.mark.parametrize("key", [pytest.param("lab/one", id="text"), pytest.param(("lab", "one"), id="tuple")])
def test_a_key_that_is_none_is_named(kind: Any, key: Any) -> None:
    with pytest.raises(TypeError, match="the key must be a NamespacedName, not ") as error:
        Store(kind).get(key)
    assert str(error.value).endswith(repr(key))


def test_a_list_of_a_namespace_has_that_namespace_alone(store: Store[Gadget]) -> None:
    here, there = gadget("one"), gadget("one", "elsewhere")
    store.put("", here)
    store.put("", there)
    assert store.list("lab") == (here,)
    assert keys(store.list()) == {"lab/one", "elsewhere/one"}
    assert store.list("empty") == ()
    assert len(store) == 2


def test_the_namespace_given_for_a_cluster_scoped_kind_is_ignored() -> None:
    store = Store(Planet)
    earth = Planet(metadata=ObjectMeta(name="earth"))
    store.put("", earth)
    assert store.get(NamespacedName("lab", "earth")) is earth
    assert store.list("lab") == (earth,)


def test_an_object_is_found_under_each_of_its_values_once(store: Store[Gadget]) -> None:
    one = gadget("one", tags=["a", "b", "a"])
    store.put("", one)
    assert store.by_index("tags", "a") == (one,)
    assert store.by_index("tags", "b") == (one,)
    assert store.by_index("tags", "c") == ()


def test_objects_that_share_a_value_are_found_together(store: Store[Gadget]) -> None:
    objects = [gadget(name, tags=["shared"]) for name in ("one", "two", "three")]
    for obj in objects:
        store.put("", obj)
    assert keys(store.by_index("tags", "shared")) == {"lab/one", "lab/two", "lab/three"}
    store.remove("", objects[0].key)
    store.remove("", objects[1].key)
    assert store.by_index("tags", "shared") == (objects[2],)
    store.remove("", objects[2].key)
    assert store.by_index("tags", "shared") == ()


def test_an_update_moves_the_object_from_its_old_values_to_its_new_ones(store: Store[Gadget]) -> None:
    store.put("", gadget("one", tags=["old", "kept"]))
    changed = gadget("one", tags=["kept", "new"], version=2)
    store.put("", changed)
    assert store.by_index("tags", "old") == ()
    assert store.by_index("tags", "kept") == (changed,)
    assert store.by_index("tags", "new") == (changed,)


def test_an_index_added_later_knows_what_is_cached(store: Store[Gadget]) -> None:
    one = gadget("one", size=7)
    store.put("", one)
    store.add_index("size", lambda obj: [str(obj.spec.size)])
    assert store.by_index("size", "7") == (one,)


def test_an_index_added_during_a_list_knows_the_list(store: Store[Gadget]) -> None:
    staged = store.stage("")
    staged.put(gadget("one", size=7))
    store.add_index("size", lambda obj: [str(obj.spec.size)])
    store.replace("", staged)
    assert [obj.metadata.name for obj in store.by_index("size", "7")] == ["one"]


def test_an_index_name_can_be_used_once(store: Store[Gadget]) -> None:
    with pytest.raises(IndexConflictError, match="Gadget has an index 'tags' already"):
        store.add_index("tags", tags_of)


def test_a_read_by_an_unknown_index_names_those_there_are(store: Store[Gadget]) -> None:
    with pytest.raises(UnknownIndexError, match=r"no index 'colour' \(declared: tags\)"):
        store.by_index("colour", "red")


def test_an_index_function_that_fails_costs_its_object_that_index_alone(
    store: Store[Gadget], logs: list[dict[str, Any]]
) -> None:
    store.add_index("inverse", lambda obj: [str(1 // obj.spec.size)])
    good, bad = gadget("good", size=1, tags=["a"]), gadget("bad", tags=["a"])
    store.put("", bad)
    store.put("", good)
    assert store.by_index("inverse", "1") == (good,)
    assert keys(store.by_index("tags", "a")) == {"lab/good", "lab/bad"}
    assert [(line["event"], line["index"], line["name"]) for line in logs] == [
        ("index function failed; the object is not indexed", "inverse", "bad")
    ]
    store.put("", gadget("bad", size=1, version=2))
    assert keys(store.by_index("inverse", "1")) == {"lab/good", "lab/bad"}
    assert len(logs) == 1


def test_a_generator_that_fails_half_way_indexes_under_nothing(store: Store[Gadget]) -> None:
    def half(obj: Gadget) -> Iterable[str]:
        yield "first"
        raise ValueError

    store.add_index("half", half)
    store.put("", gadget("one"))
    assert store.by_index("half", "first") == ()


def test_a_staged_list_is_invisible_until_it_replaces(store: Store[Gadget]) -> None:
    old, new = gadget("old", tags=["a"]), gadget("new", tags=["a"])
    store.put("", old)
    staged = store.stage("")
    staged.put(new)
    assert (store.list(), store.by_index("tags", "a")) == ((old,), (old,))
    store.replace("", staged)
    assert (store.list(), store.by_index("tags", "a")) == ((new,), (new,))


def test_an_unchanged_object_keeps_its_identity_through_a_relist(store: Store[Gadget]) -> None:
    same, changed = gadget("same"), gadget("changed")
    store.put("", same)
    store.put("", changed)
    staged = store.stage("")
    assert staged.reuse(gadget("same"))
    newer = gadget("changed", version=2)
    assert not staged.reuse(newer)
    staged.put(newer)
    store.replace("", staged)
    assert store.get(same.key) is same
    assert store.get(changed.key) is newer


def test_a_list_keeps_the_cached_copy_of_what_it_could_not_decode(store: Store[Gadget]) -> None:
    one = gadget("one", tags=["a"])
    store.put("", one)
    store.put("", gadget("two"))
    staged = store.stage("")
    staged.keep(one.key, one.metadata.uid)
    staged.keep(NamespacedName("lab", "never cached"), "uid-2")
    store.replace("", staged)
    assert store.list() == (one,)
    assert store.by_index("tags", "a") == (one,)


def test_each_scope_is_replaced_alone_and_read_together() -> None:
    store = Store(Gadget, ("left", "right"))
    store.add_index("tags", tags_of)
    left, right = gadget("one", "left", tags=["a"]), gadget("one", "right", tags=["a"])
    store.put("left", left)
    store.put("right", right)
    assert keys(store.by_index("tags", "a")) == {"left/one", "right/one"}
    store.replace("left", store.stage("left"))
    assert store.list() == (right,)
    assert store.get(right.key) is right


def test_a_namespace_that_is_not_cached_is_an_error_and_not_empty() -> None:
    store = Store(Gadget, ("left", "right"))
    with pytest.raises(NotCachedError, match="not cached in namespace 'lab': the cache is limited to left, right"):
        store.get(NamespacedName("lab", "one"))
    with pytest.raises(NotCachedError):
        store.list("lab")


_NAMES = st.sampled_from(["a", "b", "c", "d"])
_OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["put", "remove", "replace"]), _NAMES, st.sampled_from(["x", "y"]), st.lists(_NAMES, max_size=3)
    ),
    max_size=40,
)


@given(_OPERATIONS)
def test_the_store_is_what_a_plain_dict_with_full_scans_would_be(
    operations: list[tuple[str, str, str, list[str]]],
) -> None:
    store, model = Store(Gadget), dict[NamespacedName, Gadget]()
    store.add_index("tags", tags_of)
    for version, (operation, name, namespace, tags) in enumerate(operations):
        obj = gadget(name, namespace, tags=tags, version=version)
        if operation == "put":
            assert store.put("", obj) is model.get(obj.key)
            model[obj.key] = obj
        elif operation == "remove":
            assert store.remove("", obj.key) is model.pop(obj.key, None)
        else:
            staged = store.stage("")
            for kept in model.values():
                assert staged.reuse(msgspec.structs.replace(kept))
            store.replace("", staged)
    assert {obj.key: obj for obj in store.list()} == model
    assert len(store) == len(model)
    for tag in "abcd":
        found = store.by_index("tags", tag)
        assert {obj.key for obj in found} == {key for key, obj in model.items() if tag in obj.spec.tags}
        assert all(obj is model[obj.key] for obj in found)
    for namespace in "xy":
        assert {obj.key for obj in store.list(namespace)} == {key for key in model if key.namespace == namespace}


def test_cached_objects_and_indexes_are_none_of_the_garbage_collectors_work(store: Store[Gadget]) -> None:
    gc.collect()
    before = len(gc.get_objects())
    for number in range(1000):
        store.put("", gadget(f"g{number}", f"n{number % 10}", tags=("shared", f"t{number}")))
    gc.collect()
    assert len(gc.get_objects()) - before < 100
