"""Strategic merge patch: merge patch that knows which lists are merged by key, and takes directives.

| directive | does |
|---|---|
| `$patch: replace` | in a map: it replaces the old one; in an item of a list: the list replaces the old one |
| `$patch: delete` | in a map: empties it; in an item: removes the item of that key |
| `$retainKeys: [...]` | drops all other fields of the map |
| `$deleteFromPrimitiveList/NAME: [...]` | removes values from the list NAME |
| `$setElementOrder/NAME: [...]` | orders the list NAME; items that it does not name keep their places among them |
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from controller_runtime.envtest.apiserver.errors import StatusError, bad_request
from controller_runtime.envtest.apiserver.patches.go_words import go_type, json_kind
from controller_runtime.envtest.apiserver.patches.patch_schema import PatchSchema, UnknownFieldError
from controller_runtime.envtest.apiserver.schema.go_text import plain

_PATCH: Final = "$patch"
_RETAIN: Final = "$retainKeys"
_DELETE_LIST: Final = "$deleteFromPrimitiveList"
_ORDER: Final = "$setElementOrder"
_BAD_ORDER: Final = "invalid patch format of setElementOrder list"
_BAD_RETAIN: Final = "invalid patch format of retainKeys"
_BAD_DELETE_LIST: Final = "invalid patch format of primitive list"

Map = dict[str, Any]


def strategic_merge_patch(
    document: Map, patch: Any, schema_openapi: Mapping[str, Any], components: Mapping[str, Mapping[str, Any]]
) -> Map:
    """The document after the patch.

    Args:
        document: an object of the kind.
        patch: what to change.
        schema_openapi: OpenAPI v3 of the kind, with x-kubernetes-patch-strategy and x-kubernetes-patch-merge-key.
        components: what its references refer to, by name.

    Raises:
        StatusError: 400 or 422 if the patch is malformed; 500, as kube-apiserver has it, if it does not fit the kind.
    """
    if patch is None:
        patch = {}
    if not isinstance(patch, dict):
        kind = json_kind(patch)
        raise bad_request(f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")
    kinds = schema_openapi.get("x-kubernetes-group-version-kind") or [{}]
    schema = PatchSchema(kinds[0].get("kind", "Object"), schema_openapi, components)
    try:
        return _merge_map(copy.deepcopy(document), copy.deepcopy(patch), schema)
    except UnknownFieldError as error:
        raise _unfit(str(error)) from error


def _unfit(message: str) -> StatusError:
    return StatusError(500, "", message)


def _no_key(item: Map, key: str) -> StatusError:
    return _unfit(f"map: {plain(item)} does not contain declared merge key: {key}")


def _wrong_type(expected: str, value: Any) -> StatusError:
    return _unfit(f"expected a {expected}, but received a {go_type(value)}")


def _merge_map(original: Map, patch: Map, schema: PatchSchema) -> Map:
    """Both arguments are used up."""
    if _PATCH in patch:
        return _directed(patch)
    _retain_keys(original, patch)
    _order_lists(original, patch, schema)
    for name, value in patch.items():
        deletes = name.startswith(_DELETE_LIST)
        field = _named(name, _DELETE_LIST, _BAD_DELETE_LIST) if deletes else name
        if value is None:
            original.pop(field, None)
        elif field not in original or type(original[field]) is not type(value):
            if not deletes:
                _put(original, field, _without_nulls(value))
        elif isinstance(value, dict):
            inner = schema.field(field)
            original[field] = value if inner.strategy == "replace" else _merge_map(original[field], value, inner)
        elif isinstance(value, list):
            original[field] = _merge_field(original[field], value, schema.field(field), deletes)
        else:
            original[field] = value
    return original


def _directed(patch: Map) -> Map:
    directive = patch[_PATCH]
    if directive == "replace":
        del patch[_PATCH]
        return patch
    if directive == "delete":
        return {}
    raise _unfit(f"unknown patch type: {_shown(directive)} in map: {plain(patch)}")


def _shown(directive: Any) -> str:
    return directive if isinstance(directive, str) else f"%!s({go_type(directive)}={plain(directive)})"


def _named(name: str, prefix: str, problem: str) -> str:
    """The field of which a directive speaks: what follows the slash."""
    head, slash, field = name.partition("/")
    if not slash or head != prefix:
        raise bad_request(problem)
    return field


def _put(original: Map, name: str, value: Any) -> None:
    kept, value = _without_directives(value)
    if kept:
        original[name] = value
    else:
        original.pop(name, None)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _without_directives(value: Any) -> tuple[bool, Any]:
    """Whether a new value is kept at all, and what of it; one that says `$patch` is not."""
    if isinstance(value, dict):
        if _PATCH in value:
            return False, None
        items = ((name, *_without_directives(item)) for name, item in value.items())
        return True, {name: item for name, kept, item in items if kept}
    if isinstance(value, list):
        return True, [item for kept, item in map(_without_directives, value) if kept]
    return True, value


def _retain_keys(original: Map, patch: Map) -> None:
    if _RETAIN not in patch:
        return
    names = patch.pop(_RETAIN)
    if not isinstance(names, list):
        raise bad_request(_BAD_RETAIN)
    for name, value in patch.items():
        if value is not None and not name.startswith((_DELETE_LIST, _ORDER)) and name not in names:
            raise bad_request(_BAD_RETAIN)
    for name in [name for name in original if name not in names]:
        del original[name]


def _order_lists(original: Map, patch: Map, schema: PatchSchema) -> None:
    """Merges the lists that the patch orders, and takes them out of the patch."""
    for name in [name for name in patch if name.startswith(_ORDER)]:
        order = patch.pop(name)
        if not isinstance(order, list):
            raise _wrong_type("[]interface {}", order)
        field = _named(name, _ORDER, _BAD_ORDER)
        for holder in (original, patch):
            if field in holder and not isinstance(holder[field], list):
                raise _wrong_type("[]interface {}", holder[field])
        inner = schema.field(field)
        _check_order(patch.get(field) or [], order, inner.merge_key)
        if field in original or field in patch:
            original[field] = _ordered_list(original.get(field), patch.pop(field, None), order, inner)


def _ordered_list(
    original: list[Any] | None, patch: list[Any] | None, order: list[Any], schema: PatchSchema
) -> list[Any]:
    before = list(original or [])
    sample = _element_type(before, patch or [])
    if original is None:
        merged = _without_directives(patch)[1]
    elif patch is None:
        merged = original
    else:
        merged = _merge_field(original, patch, schema, False)
    return _arranged(merged, order, before, schema.merge_key, sample is dict)


def _check_order(patch: list[Any], order: list[Any], key: str) -> None:
    """Items of the patch stand in the order that the patch demands."""
    if not patch or not order:
        return
    if key and (odd := next((item for item in patch if not isinstance(item, dict)), None)) is not None:
        raise _wrong_type("map[string]interface {}", odd)
    kept = [item for item in patch if not (key and item.get(_PATCH) == "delete")]
    position = 0
    for wanted in order:
        while position < len(kept) and isinstance(kept[position], dict) and _PATCH in kept[position]:
            position += 1
        if position < len(kept) and _same(kept[position], wanted, key):
            position += 1
    while position < len(kept) and isinstance(kept[position], dict) and _PATCH in kept[position]:
        position += 1
    if position < len(kept):
        raise _unfit(f"The order in patch list:\n{plain(patch)}\n doesn't match {_ORDER} list:\n{plain(order)}\n")


def _same(left: Any, right: Any, key: str) -> bool:
    if not key:
        return type(left) is type(right) and bool(left == right)
    for item in (left, right):
        if not isinstance(item, dict):
            raise _wrong_type("map[string]interface {}", item)
        if key not in item:
            raise _no_key(item, key)
    return type(left[key]) is type(right[key]) and bool(left[key] == right[key])


def _merge_field(original: list[Any], patch: list[Any], schema: PatchSchema, deletes: bool) -> list[Any]:
    if schema.strategy != "merge" and not deletes:
        return patch
    if not original and not patch:
        return original
    key, before = schema.merge_key, list(original)
    sample = _element_type(original, patch)
    if sample is not dict:
        if deletes:
            return [item for item in original if item not in patch]
        return _arranged(_distinct([*original, *patch]), patch, before, key, False)
    if not key:
        raise _unfit(f"cannot merge lists without merge key for {schema.name}")
    original, patch = _obey_items(original, patch, key)
    before = list(original)
    merged = _merge_items(original, patch, key, schema)
    return _arranged(merged, patch, before, key, True)


def _element_type(*lists: Sequence[Any]) -> type:
    """The type of all items."""
    items = [item for each in lists for item in each]
    if not items:
        raise _unfit("no elements in any of the given slices")
    if isinstance(items[0], list):
        raise StatusError(422, "Invalid", "the server rejected our request due to an error in our request")
    if any(type(item) is not type(items[0]) for item in items):
        raise _unfit(f"list element types are not identical: {plain([list(each) for each in lists])}")
    return type(items[0])


def _distinct(items: list[Any]) -> list[Any]:
    """Each value once; a repetition is filled with the last item, as in the API server."""
    items = list(items)
    position = 0
    while position < len(items):
        later = position + 1
        while later < len(items):
            if items[later] == items[position]:
                items[later] = items[-1]
                items.pop()
            else:
                later += 1
        position += 1
    return items


def _obey_items(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """Carries out `$patch` in items; the lists that are left to be merged."""
    plain_items: list[Any] = []
    replace = False
    for item in patch:
        match item.get(_PATCH, _RETAIN):
            case "$retainKeys":
                plain_items.append(item)
            case "delete":
                if key not in item:
                    raise _no_key(item, key)
                original = [each for each in original if not _has(each, key, item[key])]
            case "replace":
                replace = True
            case "merge":
                raise _unfit("merging lists cannot yet be specified in the patch")
            case directive:
                raise _unfit(f"unknown patch type: {_shown(directive)} in map: {plain(item)}")
    return (plain_items, []) if replace else (original, plain_items)


def _has(item: Any, key: str, value: Any) -> bool:
    return key in item and type(item[key]) is type(value) and bool(item[key] == value)


def _merge_items(original: list[Any], patch: list[Any], key: str, schema: PatchSchema) -> list[Any]:
    merged = list(original)
    for item in patch:
        if key not in item:
            raise _no_key(item, key)
        position = next((index for index, each in enumerate(merged) if _has(each, key, item[key])), -1)
        if position < 0:
            merged.append(item)
        else:
            merged[position] = _merge_map(dict(merged[position]), dict(item), schema)
    return merged


def _arranged(merged: list[Any], order: Sequence[Any], server_order: Sequence[Any], key: str, maps: bool) -> list[Any]:
    """Items that `order` names in that order, among the others in the order that they had.

    Where neither order says which of two comes first, the one that `order` names does.
    """
    value_of = _value_of(key, maps)
    if key:
        _check_keys(key, merged)
        if order and (position := next((i for i, item in enumerate(order) if not isinstance(item, dict)), -1)) >= 0:
            raise _unfit(f"value for key {position} is not a map")
    wanted, known = [value_of(item) for item in order], [value_of(item) for item in server_order]
    named = [item for item in merged if value_of(item) in wanted]
    others = [item for item in merged if value_of(item) not in wanted]
    if maps:
        _check_keys(key, named, order, others, server_order)
    named.sort(key=lambda item: wanted.index(value_of(item)))
    others.sort(key=lambda item: known.index(value_of(item)) if value_of(item) in known else -1)
    return _interleaved(others, named, known, value_of)


def _interleaved(others: list[Any], named: list[Any], known: list[Any], value_of: Callable[[Any], Any]) -> list[Any]:
    result: list[Any] = []
    left, right = 0, 0
    while left < len(others) and right < len(named):
        ours, theirs = value_of(others[left]), value_of(named[right])
        if ours in known and theirs in known and known.index(ours) < known.index(theirs):
            result.append(others[left])
            left += 1
        else:
            result.append(named[right])
            right += 1
    return [*result, *others[left:], *named[right:]]


def _value_of(key: str, maps: bool) -> Callable[[Any], Any]:
    if maps and key:
        return lambda item: item.get(key) if isinstance(item, dict) else None
    return lambda item: item


def _check_keys(key: str, *lists: Sequence[Any]) -> None:
    for each in lists:
        for item in each:
            if not isinstance(item, dict):
                raise _wrong_type("map[string]interface {}", item)
            if key not in item:
                raise _no_key(item, key)
