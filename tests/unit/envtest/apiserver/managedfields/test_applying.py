"""Server-side apply: what objects become, who owns what, which conflicts there are and what they say."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from controller_runtime.envtest.apiserver.errors import StatusError
from controller_runtime.envtest.apiserver.managedfields import apply
from controller_runtime.envtest.apiserver.schema import compile_schema
from tests.unit.envtest.apiserver.managedfields.kinds import (
    LONG_AGO,
    NOW,
    OPENAPI,
    SCHEMA,
    SPEC,
    STATUS,
    VERSION,
    applied,
    created,
    fields,
    spec_fields,
    stored,
    thing,
    times,
    updated,
)

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def refused(*arguments: Any, **options: Any) -> StatusError:
    with pytest.raises(StatusError) as caught:
        applied(*arguments, **options)
    return caught.value


@pytest.mark.parametrize(
    ("spec", "owned"),
    [
        pytest.param({"text": "", "struct": {"a": ""}}, {"f:struct": {"f:a": {}}, "f:text": {}}, id="leaves"),
        pytest.param({"struct": {}}, {"f:struct": {}}, id="empty struct"),
        pytest.param({"map": {"a": "1"}}, {"f:map": {"f:a": {}}}, id="map"),
        pytest.param({"structs": {"x": {"a": "1"}}}, {"f:structs": {"f:x": {".": {}, "f:a": {}}}}, id="keys of a map"),
        pytest.param({"atomicMap": {"a": "1"}}, {"f:atomicMap": {}}, id="atomic map"),
        pytest.param({"list": ["a"]}, {"f:list": {}}, id="list"),
        pytest.param({"set": ["a"]}, {"f:set": {'v:"a"': {}}}, id="set"),
        pytest.param({"set": []}, {}, id="nobody applies an empty set"),
        pytest.param({"map": {}}, {"f:map": {}}, id="but an empty map"),
        pytest.param({"nullable": None}, {"f:nullable": {}}, id="null"),
        pytest.param(
            {"ports": [{"port": 80}]},
            {"f:ports": {'k:{"port":80,"protocol":"TCP"}': {".": {}, "f:port": {}}}},
            id="item",
        ),
        pytest.param({"free": {"a": {"b": 1}}}, {"f:free": {"f:a": {".": {}, "f:b": {}}}}, id="without a schema"),
    ],
)
def test_who_applies_owns_the_leaves(spec: Any, owned: Any) -> None:
    result = applied(None, thing(spec))
    assert result["spec"] == spec
    assert fields(result) == ({"alice!": {"f:spec": owned}} if owned else {})


def test_the_entry_of_an_applier_names_the_version_but_is_one_for_all() -> None:
    live = applied(None, {**thing({"text": "a"}), "apiVersion": "example.com/v2"}, api_version="example.com/v2")
    live = {**live, "apiVersion": VERSION}
    (entry,) = applied(live, thing({"text": "b"}))["metadata"]["managedFields"]
    assert entry == {
        "manager": "alice",
        "operation": "Apply",
        "apiVersion": VERSION,
        "time": NOW,
        "fieldsType": "FieldsV1",
        "fieldsV1": {"f:spec": {"f:text": {}}},
    }


def test_nothing_is_changed_in_place() -> None:
    live = applied(None, thing({"map": {"a": "1"}, "set": ["x"]}))
    configuration = thing({"map": {"b": "2"}, "named": [{"name": "n"}]})
    before = copy.deepcopy((live, configuration))
    applied(live, configuration, force=True)
    assert (live, configuration) == before


class TestNoChange:
    LIVE = applied(None, thing({"text": "a"}), time=LONG_AGO)

    def test_applying_the_same_again_changes_nothing(self) -> None:
        assert applied(self.LIVE, thing({"text": "a"})) == self.LIVE

    def test_who_applies_the_same_shares_the_field_and_has_no_time(self) -> None:
        result = applied(self.LIVE, thing({"text": "a"}), "bob")
        assert fields(result) == {"alice!": {"f:spec": {"f:text": {}}}, "bob!": {"f:spec": {"f:text": {}}}}
        assert times(result) == {"alice!": LONG_AGO, "bob!": None}

    def test_one_is_not_true(self) -> None:
        live = applied(None, thing({"anything": 1}), time=LONG_AGO)
        assert applied(live, thing({"anything": True}))["spec"] == {"anything": True}


class TestConflicts:
    LIVE = created(thing({"text": "a", "other": "a", "map": {"k": "a"}}), "kubectl-client-side-apply")

    def test_one_is_told_in_one_line(self) -> None:
        error = refused(self.LIVE, thing({"text": "b"}), "bob")
        assert error.status() == {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "code": 409,
            "reason": "Conflict",
            "message": 'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" using example.com/v1: '
            ".spec.text",
            "details": {
                "causes": [
                    {
                        "reason": "FieldManagerConflict",
                        "message": 'conflict with "kubectl-client-side-apply" using example.com/v1',
                        "field": ".spec.text",
                    }
                ]
            },
        }

    def test_several_are_grouped_by_manager(self) -> None:
        live = applied(self.LIVE, thing({"other": "a"}), "carol")
        error = refused(live, thing({"text": "b", "other": "b", "map": {"k": "b"}}), "bob")
        assert error.message.splitlines() == [
            'Apply failed with 4 conflicts: conflicts with "carol":',
            "- .spec.other",
            'conflicts with "kubectl-client-side-apply" using example.com/v1:',
            "- .spec.other",
            "- .spec.text",
            "- .spec.map.k",
        ]
        assert [cause["field"] for cause in error.details["causes"]] == [
            ".spec.other",
            ".spec.other",
            ".spec.text",
            ".spec.map.k",
        ]

    def test_the_subresource_is_named(self) -> None:
        live = created(thing({}))
        with_status = {**live, "status": {"phase": "a"}}
        live = stored(with_status, updated(live, with_status, "alice", **STATUS))
        error = refused(live, thing(status={"phase": "b"}), "bob", **STATUS)
        assert error.message == (
            'Apply failed with 1 conflict: conflict with "alice" with subresource "status" using example.com/v1: '
            ".status.phase"
        )

    @pytest.mark.parametrize(
        ("spec", "configuration", "path"),
        [
            pytest.param(
                {"ports": [{"port": 80, "note": "a"}]},
                {"ports": [{"port": 80, "note": "b"}]},
                '.spec.ports[port=80,protocol="TCP"].note',
                id="within an item",
            ),
            pytest.param({"list": ["a"]}, {"list": ["a", "b"]}, ".spec.list", id="atomic list"),
            pytest.param({"atomicStruct": {"a": "a"}}, {"atomicStruct": {"b": 1}}, ".spec.atomicStruct", id="atomic"),
            pytest.param({"anything": "a"}, {"anything": {"b": 1}}, ".spec.anything", id="scalar to map"),
            pytest.param({"anything": {"b": 1}}, {"anything": "a"}, ".spec.anything", id="map to scalar"),
        ],
    )
    def test_paths(self, spec: Any, configuration: Any, path: str) -> None:
        error = refused(created(thing(spec)), thing(configuration), "bob")
        assert error.details["causes"][0]["field"] == path

    @pytest.mark.parametrize(
        ("spec", "configuration"),
        [
            pytest.param({"text": "a"}, {"text": "a"}, id="the same value"),
            pytest.param({"set": ["a"]}, {"set": ["b"]}, id="another item"),
            pytest.param({"map": {"a": "1"}}, {"map": {"b": "1"}}, id="another key"),
            pytest.param({"named": [{"name": "x", "value": 1}]}, {"named": [{"name": "x", "tags": ["t"]}]}, id="field"),
        ],
    )
    def test_there_is_none_where_nothing_changes(self, spec: Any, configuration: Any) -> None:
        assert "bob!" in fields(applied(created(thing(spec)), thing(configuration), "bob"))

    def test_force_takes_the_fields(self) -> None:
        result = applied(self.LIVE, thing({"text": "b", "other": "a"}), "bob", force=True)
        assert result["spec"] == {"text": "b", "other": "a", "map": {"k": "a"}}
        assert fields(result) == {
            "bob!": {"f:spec": {"f:other": {}, "f:text": {}}},
            "kubectl-client-side-apply": {"f:spec": {".": {}, "f:map": {".": {}, "f:k": {}}, "f:other": {}}},
        }

    def test_reset_fields_do_not_conflict(self) -> None:
        live = {**created(thing({})), "status": {"phase": "a"}}
        live = stored(live, updated(created(thing({})), live, **STATUS))
        result = applied(live, thing({"text": "a"}, status={"phase": "b"}), "bob")
        assert fields(result)["bob!"] == {"f:spec": {"f:text": {}}}


class TestRemoval:
    @pytest.mark.parametrize(
        ("before", "after", "rest"),
        [
            pytest.param({"text": "a", "other": "b"}, {"text": "a"}, {"text": "a"}, id="field"),
            pytest.param({"struct": {"a": "1"}}, {}, None, id="struct, and what becomes empty is null"),
            pytest.param({"map": {"a": "1", "b": "2"}}, {"map": {"b": "2"}}, {"map": {"b": "2"}}, id="key"),
            pytest.param({"map": {"a": "1"}, "text": ""}, {"text": ""}, {"text": ""}, id="map"),
            pytest.param({"map": {"a": "1"}}, {"map": {}}, {"map": None}, id="all keys"),
            pytest.param({"atomicMap": {"a": "1"}}, {}, None, id="atomic map"),
            pytest.param({"set": ["a", "b"]}, {"set": ["b"]}, {"set": ["b"]}, id="item of a set"),
            pytest.param({"list": ["a"]}, {}, None, id="list"),
            pytest.param(
                {"named": [{"name": "x", "value": 1}, {"name": "y"}]},
                {"named": [{"name": "x"}]},
                {"named": [{"name": "x"}]},
                id="item and field of an item",
            ),
            pytest.param(
                {"ports": [{"port": 80}, {"port": 9}]}, {"ports": [{"port": 9}]}, {"ports": [{"port": 9}]}, id="keys"
            ),
            pytest.param(
                {"free": {"a": {"b": 1, "c": 2}}}, {"free": {"a": {"c": 2}}}, {"free": {"a": {"c": 2}}}, id="free"
            ),
        ],
    )
    def test_what_is_no_longer_applied_goes(self, before: Any, after: Any, rest: Any) -> None:
        live = applied(None, thing(before))
        assert applied(live, thing(after))["spec"] == rest

    def test_what_others_own_stays(self) -> None:
        live = applied(None, thing({"text": "a", "set": ["a", "b"], "named": [{"name": "x", "value": 1}]}))
        live = applied(live, thing({"text": "a", "set": ["b"], "named": [{"name": "x"}]}), "bob")
        assert applied(live, thing({"other": "c"}))["spec"] == {
            "text": "a",
            "set": ["b"],
            "named": [{"name": "x"}],
            "other": "c",
        }

    def test_what_updaters_own_stays(self) -> None:
        live = applied(None, thing({"text": "a", "map": {"a": "1"}}))
        new = {**live, "spec": {"text": "b", "map": {"a": "1", "b": "2"}}}
        live = stored(live | {"spec": new["spec"]}, updated(live, new, "bob"))
        assert applied(live, thing({}))["spec"] == {"text": "b", "map": {"b": "2"}}

    def test_an_item_goes_with_what_nobody_owns_in_it(self) -> None:
        live = applied(None, thing({"named": [{"name": "x"}, {"name": "y"}]}))
        live["spec"]["named"][0]["value"] = 7
        assert applied(live, thing({"named": [{"name": "y"}]}))["spec"] == {"named": [{"name": "y"}]}

    def test_an_item_stays_if_others_own_something_in_it(self) -> None:
        live = applied(None, thing({"named": [{"name": "x", "value": 1}]}))
        live = applied(live, thing({"named": [{"name": "x", "tags": ["t"]}]}), "bob")
        assert applied(live, thing({"text": "a"}))["spec"] == {"text": "a", "named": [{"name": "x", "tags": ["t"]}]}

    def test_the_last_field_takes_its_entry_with_it(self) -> None:
        live = applied(None, thing({"text": "a"}))
        assert fields(applied(live, thing({}))) == {"alice!": {"f:spec": {}}}
        assert fields(applied(live, thing())) == {}


@pytest.mark.parametrize(
    ("live", "configuration", "merged"),
    [
        pytest.param(["a", "b"], ["c"], ["a", "b", "c"], id="new items come last"),
        pytest.param(["a", "b"], ["b", "a"], ["b", "a"], id="the applied order wins"),
        pytest.param(["a", "b", "c"], ["c", "a"], ["b", "c", "a"], id="an item that is moved leaves the others"),
        pytest.param(["x", "a", "y", "b", "z"], ["b", "n", "a"], ["x", "y", "b", "z", "n", "a"], id="mixed"),
        pytest.param(["a", "b"], ["n", "b"], ["a", "n", "b"], id="before"),
        pytest.param(["a", "a", "b"], ["b"], ["a", "a", "b"], id="duplicates that are not applied stay"),
        pytest.param(["a", "a", "b"], ["a"], ["a", "b"], id="duplicates that are applied become one"),
        pytest.param([], ["a"], ["a"], id="empty"),
        pytest.param(["a"], [], ["a"], id="nothing applied"),
    ],
)
def test_order_of_merged_items(live: Any, configuration: Any, merged: Any) -> None:
    assert (
        applied(created(thing({"set": live})), thing({"set": configuration}), "bob", force=True)["spec"]["set"]
        == merged
    )


def test_items_are_merged_by_their_keys() -> None:
    live = created(thing({"ports": [{"port": 80, "protocol": "TCP", "note": "a"}, {"port": 80, "protocol": "UDP"}]}))
    result = applied(live, thing({"ports": [{"port": 80, "protocol": "UDP", "note": "b"}, {"port": 80}]}), "bob")
    assert result["spec"]["ports"] == [
        {"port": 80, "protocol": "UDP", "note": "b"},
        {"port": 80, "protocol": "TCP", "note": "a"},
    ]


@pytest.mark.parametrize(
    ("live", "configuration", "merged"),
    [
        pytest.param({"map": {"a": "1"}}, {"map": None}, {"map": {"a": "1"}}, id="null leaves a map"),
        pytest.param({"set": ["a"]}, {"set": None}, {"set": ["a"]}, id="null leaves a set"),
        pytest.param({"list": ["a"]}, {"list": None}, {"list": None}, id="null replaces a list"),
        pytest.param({"text": "a"}, {"text": None}, {"text": None}, id="null replaces a scalar"),
        pytest.param({"map": {}}, {"map": None}, {"map": None}, id="null replaces an empty map"),
        pytest.param({"free": {"a": [1]}}, {"free": {"a": None}}, {"free": {"a": None}}, id="deduced list"),
        pytest.param({"free": {"a": {"b": 1}}}, {"free": {"a": None}}, {"free": {"a": {"b": 1}}}, id="deduced map"),
    ],
)
def test_null(live: Any, configuration: Any, merged: Any) -> None:
    assert applied(created(thing(live)), thing(configuration), "bob", force=True)["spec"] == merged


class TestFirstApply:
    def test_what_nobody_manages_belongs_to_a_manager_of_its_own(self) -> None:
        live = thing({"text": "a", "other": "b"}, metadata={"uid": "1"})
        result = applied(live, thing({"text": "a"}))
        assert fields(result) == {
            "alice!": {"f:spec": {"f:text": {}}},
            "before-first-apply": {"f:spec": {".": {}, "f:other": {}, "f:text": {}}},
        }
        assert times(result) == {"alice!": None, "before-first-apply": NOW}

    def test_which_conflicts(self) -> None:
        error = refused(thing({"text": "a"}, metadata={"uid": "1"}), thing({"text": "b"}))
        assert error.message == (
            'Apply failed with 1 conflict: conflict with "before-first-apply" using example.com/v1: .spec.text'
        )

    def test_creating_by_apply_has_no_such_manager(self) -> None:
        assert fields(applied(None, thing({"text": "a"}), empty={"spec": {}})) == {"alice!": {"f:spec": {"f:text": {}}}}


class TestLastAppliedAnnotation:
    """Objects that kubectl has managed by its annotation."""

    CONFIGURATION = thing({"text": "a", "other": "b"})

    def live(self, configuration: Any = CONFIGURATION, **spec: Any) -> dict[str, Any]:
        annotations = {LAST_APPLIED: json.dumps(configuration)}
        obj = thing({**self.CONFIGURATION["spec"], **spec}, metadata={"annotations": annotations})
        return created(obj, "kubectl-client-side-apply")

    def test_kubectl_takes_over_what_it_had_applied_and_refreshes_it(self) -> None:
        new = thing({"text": "<z>"})
        result = applied(self.live(), new, "kubectl")
        assert result["spec"] == {"text": "<z>", "other": "b"}
        annotation = result["metadata"]["annotations"][LAST_APPLIED]
        assert annotation == (
            '{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"x","namespace":"default"},'
            '"spec":{"text":"\\u003cz\\u003e"}}\n'
        )

    def test_others_do_not(self) -> None:
        assert refused(self.live(), thing({"text": "z"}), "bob").code == 409

    def test_what_has_changed_since_conflicts(self) -> None:
        error = refused(self.live(text="changed"), thing({"text": "z", "other": "z"}), "kubectl")
        assert error.message.endswith(': conflict with "kubectl-client-side-apply" using example.com/v1: .spec.text')

    @pytest.mark.parametrize(
        "configuration",
        [
            pytest.param({**CONFIGURATION, "apiVersion": "example.com/v0"}, id="another version"),
            pytest.param({**CONFIGURATION, "spec": {"unknown": 1}}, id="unknown field"),
            pytest.param([], id="no object"),
        ],
    )
    def test_an_unusable_annotation_allows_nothing(self, configuration: Any) -> None:
        assert refused(self.live(configuration), thing({"text": "z"}), "kubectl").code == 409

    def test_the_annotation_does_not_contain_itself(self) -> None:
        new = thing({"text": "a"}, metadata={"annotations": {LAST_APPLIED: "x", "b": "c"}})
        result = applied(self.live(), new, "kubectl", force=True)
        assert json.loads(result["metadata"]["annotations"][LAST_APPLIED])["metadata"]["annotations"] == {"b": "c"}

    def test_one_that_would_be_too_large_goes(self) -> None:
        result = applied(self.live(), thing({"text": "a" * 256 * 1024}), "kubectl")
        assert "annotations" not in result["metadata"]

    def test_there_is_none_if_there_was_none(self) -> None:
        assert "annotations" not in applied(None, thing({"text": "a"}), "kubectl")["metadata"]


@pytest.mark.parametrize(
    ("configuration", "message"),
    [
        pytest.param({"metadata": {"name": "x"}}, "invalid object type: /, Kind=", id="no kind"),
        pytest.param({"apiVersion": "v1", "kind": "Thing"}, "invalid object type: /v1, Kind=Thing", id="another group"),
        pytest.param({**thing(), "kind": "Y"}, "invalid object type: example.com/v1, Kind=Y", id="another kind"),
        pytest.param(thing(metadata={"managedFields": []}), "metadata.managedFields must be nil", id="managedFields"),
    ],
)
def test_bad_requests(configuration: Any, message: str) -> None:
    error = refused(None, configuration)
    assert (error.code, error.reason, error.message) == (400, "BadRequest", message)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        pytest.param({"unknown": 1}, ".spec.unknown: field not declared in schema", id="unknown field"),
        pytest.param({"struct": {"c": 1}}, ".spec.struct.c: field not declared in schema", id="deeper"),
        pytest.param({"text": 1}, ".spec.text: expected string, got &value.valueUnstructured{Value:1}", id="string"),
        pytest.param({"number": "a"}, ".spec.number: expected numeric (int or float), got string", id="number"),
        pytest.param(
            {"number": {}}, ".spec.number: expected numeric (int or float), got map[string]interface {}", id="map"
        ),
        pytest.param({"flag": "a"}, ".spec.flag: expected boolean, got &{a}", id="boolean"),
        pytest.param({"map": ["a", 1]}, ".spec.map: expected map, got &{[a 1]}", id="no map"),
        pytest.param(
            {"list": {"b": 1, "a": [True]}}, ".spec.list: expected list, got &{map[a:[true] b:1]}", id="no list"
        ),
        pytest.param({"set": ["a", "a"]}, '.spec.set: duplicate entries for key [="a"]', id="duplicates in a set"),
        pytest.param(
            {"ports": [{"port": 1}, {"port": 1, "protocol": "TCP"}]},
            '.spec.ports: duplicate entries for key [port=1,protocol="TCP"]',
            id="duplicates in a list-map",
        ),
        pytest.param(
            {"named": [{"value": 1}]},
            ".spec.named: element 0: associative list with keys has an element that omits all key fields"
            ' ["name"] (and doesn\'t have default values for any key fields)',
            id="no key",
        ),
        pytest.param(
            {"set": [None]},
            ".spec.set: element 0: associative list without keys has an element that's an explicit null",
            id="null item",
        ),
        pytest.param(
            {"text": 1, "flag": 1},
            "errors:\n  .spec.text: expected string, got &value.valueUnstructured{Value:1}\n"
            "  .spec.flag: expected boolean, got &{1}",
            id="several",
        ),
    ],
)
def test_what_does_not_match_the_schema_is_an_internal_error_as_in_the_real_server(spec: Any, problem: str) -> None:
    error = refused(None, thing(spec))
    assert (error.code, error.reason) == (500, "")
    prefix = "failed to create typed patch object (default/x; example.com/v1, Kind=Thing): "
    assert error.message == prefix + problem


def test_unreadable_managers_of_the_live_object_are_an_internal_error() -> None:
    error = refused(stored(thing({}), [{"manager": "x"}]), thing({}))
    assert (error.code, error.message) == (
        500,
        "failed to decode managed fields: operation must be `Apply` or `Update`",
    )


def test_a_field_that_became_atomic_belongs_to_all_who_owned_a_part() -> None:
    live = applied(None, thing({"map": {"a": "1"}}))
    live = applied(live, thing({"map": {"b": "2"}}), "bob")
    atomic = {**SPEC, "map": {**SPEC["map"], "x-kubernetes-map-type": "atomic"}}
    properties = {**OPENAPI["properties"], "spec": {"type": "object", "properties": atomic}}
    result = applied(
        live, thing({"map": {"a": "1"}}), schema=compile_schema({**OPENAPI, "properties": properties}), force=True
    )
    assert result["spec"] == {"map": {"a": "1"}}
    assert fields(result) == {"alice!": {"f:spec": {"f:map": {}}}}


def test_what_was_applied_in_another_version_is_removed_there() -> None:
    renamed = {name if name != "text" else "renamed": schema for name, schema in SPEC.items()}
    other = compile_schema({**OPENAPI, "properties": {"spec": {"type": "object", "properties": renamed}}})

    def convert(obj: dict[str, Any], version: str) -> dict[str, Any]:
        names = {"text": "renamed"} if version == "example.com/v2" else {"renamed": "text"}
        spec = {names.get(name, name): value for name, value in obj.get("spec", {}).items()}
        return {**obj, "apiVersion": version, "spec": spec}

    first = {**thing({"renamed": "a", "other": "b"}), "apiVersion": "example.com/v2"}
    live = convert(applied(None, first, schema=other, api_version="example.com/v2"), VERSION)
    result = applied(live, thing({"other": "b"}), others={"example.com/v2": other}, convert=convert)
    assert result["spec"] == {"other": "b"}
    assert result["apiVersion"] == VERSION
    assert spec_fields(result, "alice!") == {"f:other": {}}


def test_what_other_managers_versions_do_not_allow_is_an_internal_error() -> None:
    atomic = {**SPEC, "set": SPEC["list"]}
    other = compile_schema({**OPENAPI, "properties": {"spec": {"type": "object", "properties": atomic}}})
    live = created(thing({"text": "a"}))
    configuration = {**thing({"set": ["a", "a"]}), "apiVersion": "example.com/v2"}
    error = refused(
        {**live, "apiVersion": "example.com/v2"},
        configuration,
        "bob",
        schema=other,
        api_version="example.com/v2",
        others={VERSION: SCHEMA},
    )
    assert (error.code, error.message) == (
        500,
        'failed to convert new object: .spec.set: duplicate entries for key [="a"]',
    )


def test_reset_fields_may_depend_on_the_version() -> None:
    live = {**created(thing({})), "status": {"phase": "a"}}
    live = stored(live, updated(created(thing({})), live, "bob", **STATUS))
    now = {**live, "apiVersion": "example.com/v2", "status": {"phase": "b"}}
    options: Any = {"api_version": "example.com/v2", "reset_fields": {"example.com/v2": [("status",)]}}
    assert [entry["manager"] for entry in updated(live | {"apiVersion": "example.com/v2"}, now, "eve", **options)] == [
        "alice",
        "bob",
    ]
    assert "f:phase" not in str(updated(live | {"apiVersion": "example.com/v2"}, now, "eve", **options))


def test_the_status_endpoint_owns_the_status_alone() -> None:
    live = created(thing({"text": "a"}))
    configuration = thing({"text": "b"}, metadata={"labels": {"l": "1"}}, status={"phase": "p"})
    (own,) = [
        entry for entry in _status(live, configuration)["metadata"]["managedFields"] if entry["operation"] == "Apply"
    ]
    assert (own["subresource"], own["fieldsV1"]) == ("status", {"f:status": {"f:phase": {}}})


def _status(live: Any, configuration: Any) -> dict[str, Any]:
    return apply(
        live,
        configuration,
        schema=SCHEMA,
        manager="bob",
        api_version=VERSION,
        kind="Thing",
        time=NOW,
        force=False,
        **STATUS,
    )
