"""Who manages what after a create, an update or a patch."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from controller_runtime.envtest.apiserver.managedfields import keep_times
from controller_runtime.envtest.apiserver.schema import compile_schema
from tests.unit.envtest.apiserver.managedfields.kinds import (
    INTEGER,
    LONG_AGO,
    NOW,
    OPENAPI,
    SCHEMA,
    SPEC,
    STATUS,
    STRING,
    VERSION,
    created,
    fields,
    spec_fields,
    stored,
    thing,
    times,
    updated,
)


@pytest.mark.parametrize(
    ("spec", "owned"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"text": ""}, {"f:text": {}}, id="scalar"),
        pytest.param({"port": 80}, {"f:port": {}}, id="int-or-string"),
        pytest.param({"nullable": None}, {"f:nullable": {}}, id="null"),
        pytest.param({"map": {"b": "", "a": ""}}, {"f:map": {".": {}, "f:a": {}, "f:b": {}}}, id="map"),
        pytest.param({"map": {}}, {"f:map": {}}, id="empty map"),
        pytest.param({"atomicMap": {"a": ""}}, {"f:atomicMap": {}}, id="atomic map"),
        pytest.param({"struct": {"a": ""}}, {"f:struct": {".": {}, "f:a": {}}}, id="struct"),
        pytest.param({"atomicStruct": {"a": ""}}, {"f:atomicStruct": {}}, id="atomic struct"),
        pytest.param({"list": ["a"]}, {"f:list": {}}, id="list without a type"),
        pytest.param({"set": ["b", "a"]}, {"f:set": {".": {}, 'v:"a"': {}, 'v:"b"': {}}}, id="set"),
        pytest.param({"set": []}, {"f:set": {}}, id="empty set"),
        pytest.param({"set": ["a", "a"]}, {"f:set": {".": {}, 'v:"a"': {}}}, id="duplicates in a set"),
        pytest.param({"numbers": [10, 9]}, {"f:numbers": {".": {}, "v:9": {}, "v:10": {}}}, id="set of numbers"),
        pytest.param(
            {"named": [{"name": "x", "value": 1, "tags": ["t"]}]},
            {
                "f:named": {
                    ".": {},
                    'k:{"name":"x"}': {".": {}, "f:name": {}, "f:tags": {".": {}, 'v:"t"': {}}, "f:value": {}},
                }
            },
            id="list-map",
        ),
        pytest.param(
            {"named": [{"name": "x", "value": 1}, {"name": "x"}]},
            {"f:named": {".": {}, 'k:{"name":"x"}': {}}},
            id="duplicates in a list-map",
        ),
        pytest.param(
            {"ports": [{"port": 80}]},
            {"f:ports": {".": {}, 'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}},
            id="default key",
        ),
        pytest.param(
            {"free": {"a": {"b": [{"c": 1}]}}},
            {"f:free": {".": {}, "f:a": {".": {}, "f:b": {}}}},
            id="without a schema maps are granular and lists atomic",
        ),
        pytest.param({"anything": {"a": 1}}, {"f:anything": {".": {}, "f:a": {}}}, id="any type"),
        pytest.param(
            {"embedded": {"apiVersion": "v1", "kind": "X", "metadata": {"finalizers": ["f"]}}},
            {
                "f:embedded": {
                    ".": {},
                    "f:apiVersion": {},
                    "f:kind": {},
                    "f:metadata": {".": {}, "f:finalizers": {".": {}, 'v:"f"': {}}},
                }
            },
            id="metadata of embedded resources",
        ),
    ],
)
def test_who_creates_owns_all_of_it(spec: Any, owned: Any) -> None:
    (entry,) = updated(None, thing(spec))
    expected = {"f:spec": {".": {}, **owned} if owned else {}}
    assert entry == {
        "manager": "alice",
        "operation": "Update",
        "apiVersion": VERSION,
        "time": NOW,
        "fieldsType": "FieldsV1",
        "fieldsV1": expected,
    }


def test_metadata_has_its_own_schema_and_nobody_owns_what_the_system_sets() -> None:
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    obj = thing(
        metadata={
            "uid": "1",
            "generation": 1,
            "resourceVersion": "5",
            "creationTimestamp": NOW,
            "labels": {"l": "1"},
            "finalizers": ["f"],
            "ownerReferences": [owner],
        }
    )
    (entry,) = updated(None, obj)
    assert entry["fieldsV1"] == {
        "f:metadata": {
            "f:finalizers": {".": {}, 'v:"f"': {}},
            "f:labels": {".": {}, "f:l": {}},
            "f:ownerReferences": {".": {}, 'k:{"uid":"u"}': {}},
        }
    }


def test_nothing_is_changed_in_place() -> None:
    live = created(thing({"map": {"a": "1"}, "set": ["x"]}))
    new = {**copy.deepcopy(live), "spec": {"map": {"a": "2", "b": "3"}, "set": ["y"]}}
    before = copy.deepcopy((live, new))
    updated(live, new, "bob")
    assert (live, new) == before


def test_whoever_changes_a_field_takes_it_and_leaves_the_rest() -> None:
    live = created(thing({"text": "a", "map": {"a": "1", "b": "2"}}), "alice")
    new = stored(thing({"text": "a", "map": {"a": "9"}}), live["metadata"]["managedFields"])
    result = stored(new, updated(live, new, "bob"))
    assert fields(result) == {
        "alice": {"f:spec": {".": {}, "f:map": {}, "f:text": {}}},
        "bob": {"f:spec": {"f:map": {"f:a": {}}}},
    }
    assert times(result) == {"alice": LONG_AGO, "bob": NOW}


def test_a_manager_keeps_one_entry_per_version_operation_and_subresource() -> None:
    live = created(thing({"text": "a"}))
    new = {**live, "status": {"phase": "b"}}
    with_status = {**new, "metadata": {**new["metadata"], "managedFields": updated(live, new, **STATUS)}}
    entries = updated(with_status, {**with_status, "spec": {"text": "b", "other": "c"}})
    assert [(entry.get("subresource"), entry["fieldsV1"]) for entry in entries] == [
        (None, {"f:spec": {".": {}, "f:other": {}, "f:text": {}}}),
        ("status", {"f:status": {".": {}, "f:phase": {}}}),
    ]


def test_an_update_without_changes_changes_no_time() -> None:
    live = created(thing({"text": "a"}))
    assert updated(live, live, "bob") == live["metadata"]["managedFields"]


def test_who_only_removes_owns_nothing() -> None:
    live = created(thing({"text": "a", "other": "b"}))
    assert fields(stored(live, updated(live, thing({"text": "a"}), "bob"))) == {
        "alice": {"f:spec": {".": {}, "f:text": {}}}
    }


def test_a_manager_that_has_lost_all_is_forgotten() -> None:
    live = created(thing({"text": "a"}))
    only_spec = stored(live, [{**live["metadata"]["managedFields"][0], "fieldsV1": {"f:spec": {"f:text": {}}}}])
    assert [entry["manager"] for entry in updated(only_spec, thing({"text": "b"}), "bob")] == ["bob"]


def test_endpoints_do_not_own_what_they_reset() -> None:
    obj = thing({"text": "a"}, status={"phase": "b"})
    assert fields(stored(obj, updated(None, obj))) == {"alice": {"f:spec": {".": {}, "f:text": {}}}}
    live = created(obj)
    changed = thing({"text": "c"}, metadata={"labels": {"l": "1"}}, status={"phase": "c"})
    assert fields(stored(obj, updated(live, changed, "bob", **STATUS))) == {
        "alice": {"f:spec": {".": {}, "f:text": {}}},
        "bob": {"f:status": {"f:phase": {}}},
    }


@pytest.mark.parametrize(
    ("old", "new", "alice", "bob"),
    [
        pytest.param("a", {"b": 1}, {}, {"f:anything": {".": {}, "f:b": {}}}, id="scalar to map"),
        pytest.param({"b": 1}, "a", {}, {"f:anything": {}}, id="map to scalar"),
        pytest.param([1], {"b": 1}, {}, {"f:anything": {".": {}, "f:b": {}}}, id="list to map"),
        pytest.param(None, {"b": 1}, {"f:anything": {}}, {"f:anything": {"f:b": {}}}, id="null to map"),
        pytest.param({"b": 1}, None, {"f:anything": {}}, {}, id="map to null"),
        pytest.param(1, True, {}, {"f:anything": {}}, id="one to true"),
        pytest.param(1, 1.0, {"f:anything": {}}, {}, id="one to one"),
        pytest.param([1], [True], {}, {"f:anything": {}}, id="within a list"),
        pytest.param({}, None, {}, {"f:anything": {}}, id="empty to null"),
    ],
)
def test_ownership_follows_changes_of_type(old: Any, new: Any, alice: Any, bob: Any) -> None:
    live = created(thing({"anything": old}))
    result = stored(live, updated(live, thing({"anything": new}), "bob"))
    assert spec_fields(result, "alice") == ({".": {}, **alice} if alice else {})
    assert spec_fields(result, "bob") == bob


@pytest.mark.parametrize(
    ("old", "new", "alice", "bob"),
    [
        pytest.param(["a"], ["a", "a"], {}, {'v:"a"': {}}, id="an item becomes a duplicate"),
        pytest.param(["a", "a"], ["a"], {}, {'v:"a"': {}}, id="a duplicate becomes one item"),
        pytest.param(["a", "a"], ["a", "a", "a"], {}, {'v:"a"': {}}, id="more duplicates"),
        pytest.param(["a", "a"], ["b", "a", "a"], {'v:"a"': {}}, {'v:"b"': {}}, id="the same duplicates"),
        pytest.param(["a", "b"], ["b", "a"], {'v:"a"': {}, 'v:"b"': {}}, {}, id="another order"),
    ],
)
def test_duplicates_in_a_set_are_one_field(old: Any, new: Any, alice: Any, bob: Any) -> None:
    live = created(thing({"set": old}))
    result = stored(live, updated(live, thing({"set": new}), "bob"))
    assert spec_fields(result, "alice") == {".": {}, "f:set": {".": {}, **alice} if alice else {}}
    assert spec_fields(result, "bob") == ({"f:set": bob} if bob else {})


class TestManagedFieldsThatClientsSend:
    LIVE = created(thing({"text": "a"}))

    @pytest.mark.parametrize("sent", [[], [{}]])
    def test_an_empty_list_or_entry_resets(self, sent: Any) -> None:
        new = thing({"text": "b"}, metadata={"managedFields": sent})
        assert updated(self.LIVE, new, "bob") == []

    def test_after_a_reset_updates_are_not_tracked(self) -> None:
        live = thing({"text": "a"}, metadata={"uid": "1"})
        assert updated(live, thing({"text": "b"}), "bob") == []

    @pytest.mark.parametrize(
        "sent",
        [
            pytest.param(None, id="null"),
            pytest.param([{"manager": "x"}], id="no operation"),
            pytest.param([{"operation": "Update", "fieldsType": "FieldsV1"}], id="no version"),
            pytest.param([{"operation": "Update", "apiVersion": VERSION}], id="no type of fields"),
            pytest.param(
                [{"operation": "Update", "apiVersion": VERSION, "fieldsType": "V2"}], id="other type of fields"
            ),
            pytest.param(
                [{"operation": "Update", "apiVersion": VERSION, "fieldsType": "FieldsV1", "fieldsV1": {"x": {}}}],
                id="bad fields",
            ),
            pytest.param(
                [{"operation": "Update", "apiVersion": VERSION, "fieldsType": "FieldsV1", "time": "now"}], id="bad time"
            ),
        ],
    )
    def test_what_cannot_be_read_is_ignored(self, sent: Any) -> None:
        new = thing({"text": "a", "other": "b"}, metadata={"managedFields": sent})
        assert updated(self.LIVE, new, "bob") == updated(self.LIVE, thing({"text": "a", "other": "b"}), "bob")

    def test_what_can_be_read_counts_in_canonical_form(self) -> None:
        sent = {
            "manager": "eve",
            "operation": "Update",
            "apiVersion": VERSION,
            "fieldsType": "FieldsV1",
            "fieldsV1": {"f:spec": {"f:text": {}, "f:ports": {'k:{"protocol":"TCP","port":80}': {}}}},
            "time": "2020-01-01T02:00:00.5+02:00",
        }
        new = thing({"text": "a"}, metadata={"managedFields": [sent]})
        canonical: Any = {"f:spec": {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {}}, "f:text": {}}}
        assert updated(self.LIVE, new, "bob") == [{**sent, "fieldsV1": canonical, "time": LONG_AGO}]

    def test_subresources_ignore_them(self) -> None:
        new = {**thing({"text": "a"}, metadata={"managedFields": []}), "status": {"phase": "b"}}
        assert [entry["manager"] for entry in updated(self.LIVE, new, "bob", **STATUS)] == ["alice", "bob"]

    def test_an_unreadable_live_object_has_no_managers(self) -> None:
        live = stored(thing({"text": "a"}), [{"manager": "x"}])
        assert updated(live, thing({"text": "b"}), "bob") == []


def test_entries_are_ordered_by_operation_time_and_name() -> None:
    entries: list[Any] = [
        {
            "manager": name,
            "operation": operation,
            "apiVersion": VERSION,
            "fieldsType": "FieldsV1",
            "fieldsV1": own,
            **more,
        }
        for name, operation, own, more in (
            ("b", "Update", {"f:spec": {"f:a": {}}}, {"time": LONG_AGO}),
            ("z", "Apply", {"f:spec": {"f:b": {}}}, {"time": LONG_AGO}),
            ("c", "Update", {"f:spec": {"f:c": {}}}, {}),
            ("a", "Update", {"f:spec": {"f:d": {}}}, {"time": LONG_AGO}),
            ("y", "Apply", {"f:spec": {"f:e": {}}}, {}),
        )
    ]
    live = stored(thing({}), entries)
    order = [entry["manager"] for entry in updated(live, thing({"text": "a"}), "0")]
    assert order == ["y", "z", "c", "a", "b", "0"]


def test_the_oldest_updaters_are_merged_beyond_ten() -> None:
    live = created(thing({"map": {"k0": "0"}}), "m0", "2020-01-01T00:00:00Z")
    for number in range(1, 12):
        new = thing({"map": {**live["spec"]["map"], f"k{number}": "x"}})
        live = stored(new, updated(live, new, f"m{number}", f"2020-01-01T00:00:{number:02}Z"))
    assert list(times(live).items()) == [
        ("ancient-changes", "2020-01-01T00:00:02Z"),
        *((f"m{number}", f"2020-01-01T00:00:{number:02}Z") for number in range(3, 12)),
    ]
    assert spec_fields(live, "ancient-changes") == {".": {}, "f:map": {".": {}, "f:k0": {}, "f:k1": {}, "f:k2": {}}}


def test_a_manager_without_a_name_is_unknown() -> None:
    assert updated(None, thing({"text": "a"}), "")[0]["manager"] == "unknown"


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"undeclared": 1}, id="unknown field"),
        pytest.param({"set": [None]}, id="null in a set"),
        pytest.param({"set": [["a"]]}, id="list in a set"),
        pytest.param({"named": [{"value": 1}]}, id="item without its key"),
        pytest.param({"named": ["x"]}, id="scalar in a list-map"),
    ],
)
def test_what_does_not_match_the_schema_has_no_managers(spec: Any) -> None:
    assert updated(None, thing(spec)) == []


def test_built_in_kinds_have_structs_that_nobody_sets() -> None:
    (entry,) = updated(None, thing({"text": "a"}), empty={"spec": {}})
    assert entry["fieldsV1"] == {"f:spec": {"f:text": {}}}


class TestSchemaChanges:
    def test_what_has_become_atomic_is_owned_as_a_whole(self) -> None:
        live = created(thing({"map": {"a": "1"}, "set": ["x"], "struct": {"a": "1"}, "text": "a"}))
        atomic = {
            "map": {**SPEC["map"], "x-kubernetes-map-type": "atomic"},
            "set": {"type": "array", "items": STRING},
            "struct": {**SPEC["struct"], "x-kubernetes-map-type": "atomic"},
        }
        schema = compile_schema(_with_spec({**SPEC, **atomic}))
        (entry,) = updated(live, live, schema=schema)
        assert entry["fieldsV1"] == {"f:spec": {".": {}, "f:map": {}, "f:set": {}, "f:struct": {}, "f:text": {}}}

    def test_owners_in_versions_that_are_gone_are_forgotten(self) -> None:
        live = created(thing({"text": "a"}))
        (entry,) = live["metadata"]["managedFields"]
        old = stored(live, [{**entry, "apiVersion": "example.com/v0"}, {**entry, "manager": "bob"}])
        assert [entry["manager"] for entry in updated(old, live | {"metadata": {}}, others={})] == ["bob"]

    def test_owners_in_other_versions_lose_what_changes_there(self) -> None:
        live = created(thing({"text": "a", "other": "b"}))
        (entry,) = live["metadata"]["managedFields"]
        owned: Any = {"f:spec": {"f:renamed": {}, "f:other": {}}}
        live = stored(live, [{**entry, "apiVersion": "example.com/v2", "fieldsV1": owned}])
        renamed = {name if name != "text" else "renamed": schema for name, schema in SPEC.items()}

        def convert(obj: dict[str, Any], version: str) -> dict[str, Any]:
            spec = {"renamed" if name == "text" else name: value for name, value in obj["spec"].items()}
            return {**obj, "apiVersion": version, "spec": spec}

        entries = updated(
            live,
            thing({"text": "z", "other": "b"}),
            "bob",
            others={"example.com/v2": compile_schema(_with_spec(renamed))},
            convert=convert,
        )
        assert [(entry["manager"], entry["apiVersion"], entry["fieldsV1"]) for entry in entries] == [
            ("alice", "example.com/v2", {"f:spec": {"f:other": {}}}),
            ("bob", VERSION, {"f:spec": {"f:text": {}}}),
        ]


class TestReferences:
    TREE = compile_schema(
        {"type": "object", "properties": {"spec": {"$ref": "#/components/schemas/Tree"}}},
        {
            "Tree": {
                "type": "object",
                "properties": {
                    "size": {"allOf": [{"$ref": "#/components/schemas/Size"}], "default": {}},
                    "whole": {"$ref": "#/components/schemas/Tree", "x-kubernetes-map-type": "atomic"},
                    "left": {"$ref": "#/components/schemas/Tree"},
                    "leaves": {
                        "type": "array",
                        "items": {"$ref": "#/components/schemas/Size"},
                        "x-kubernetes-patch-strategy": "merge",
                        "x-kubernetes-patch-merge-key": "unit",
                    },
                },
            },
            "Size": {"type": "object", "properties": {"value": INTEGER, "unit": STRING}},
        },
    )

    def test_recursive_types_are_followed(self) -> None:
        spec = {
            "left": {"left": {"size": {"value": 1}}},
            "whole": {"left": {}},
            "leaves": [{"unit": "m"}],
        }
        (entry,) = updated(None, thing(spec), schema=self.TREE)
        assert entry["fieldsV1"]["f:spec"] == {
            ".": {},
            "f:leaves": {".": {}, 'k:{"unit":"m"}': {".": {}, "f:unit": {}}},
            "f:left": {".": {}, "f:left": {".": {}, "f:size": {".": {}, "f:value": {}}}},
            "f:whole": {},
        }


class TestKeepingTimes:
    OLD = created(thing({"text": "a"}))
    NEWER = stored(OLD, [{**OLD["metadata"]["managedFields"][0], "time": NOW}])

    def test_the_old_times_stay_if_nothing_else_differs(self) -> None:
        assert keep_times(self.OLD, self.NEWER) == self.OLD

    @pytest.mark.parametrize(
        "new",
        [
            pytest.param({**NEWER, "spec": {"text": "b"}}, id="another value"),
            pytest.param(stored(NEWER, NEWER["metadata"]["managedFields"] * 2), id="another manager"),
            pytest.param(stored(NEWER, [{**NEWER["metadata"]["managedFields"][0], "manager": "b"}]), id="other owner"),
        ],
    )
    def test_they_do_not_if_anything_does(self, new: Any) -> None:
        assert keep_times(self.OLD, new) is new


def _with_spec(properties: dict[str, Any]) -> dict[str, Any]:
    return {**OPENAPI, "properties": {**OPENAPI["properties"], "spec": {"type": "object", "properties": properties}}}


def test_schemas_are_compiled_once() -> None:
    from controller_runtime.envtest.apiserver.managedfields.atoms import compiled

    assert compiled(SCHEMA) is compiled(SCHEMA)
