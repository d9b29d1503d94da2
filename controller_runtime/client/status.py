"""Writing the status of an object without losing what others write to it at the same time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from controller_runtime.apimachinery import Object, to_json_value
from controller_runtime.client.client import Client
from controller_runtime.client.errors import ConflictError, InvalidRequestError
from controller_runtime.client.patches import merge_diff

T = TypeVar("T", bound=Object)


async def patch_status(client: Client, obj: T, change: Callable[[T], T], *, tries: int = 5) -> T:
    """Write the status that `change` makes of an object's; the one way in which conditions are written.

    What differs is sent as a merge patch on the status subresource. Conditions are atomic lists in CRDs, so the patch
    holds the whole list and the resourceVersion that it was made from: if anybody wrote meanwhile, the server answers
    409, the object is read afresh from the server, and `change` is asked again. Nothing is sent when nothing differs.

    Args:
        client: Its fence applies.
        obj: The object as last seen, for example in the cache; its resourceVersion must be that of a real read.
        change: Returns the object with another `status` and nothing else changed, or the object itself. It may be
            called several times and must compute from its argument alone.
        tries: Writes at most.

    Returns:
        The object as the server has it now; `obj` (or a fresher one) if nothing differed.

    Raises:
        ConflictError: the last try, too, met somebody else's write.
        NotFoundError: the object is gone.
        ClientError: any other failure.
    """
    current = obj
    for remaining in reversed(range(tries)):
        patch = _status_patch(current, change(current))
        if not patch:
            return current
        try:
            return await client.status.patch(type(obj), obj.key, patch)
        except ConflictError:
            if not remaining:
                raise
            current = await client.get(type(obj), obj.key)
    raise InvalidRequestError(f"patch_status with tries={tries}: at least one is needed")


def _status_patch(current: T, wanted: T) -> dict[str, Any]:
    if wanted == current:
        return {}
    for name in current.__struct_fields__:
        if name != "status" and getattr(current, name) != getattr(wanted, name):
            raise InvalidRequestError(f"{current.resource.kind} {current.key}: patch_status cannot change {name}")
    version = current.metadata.resource_version
    if not version:
        raise InvalidRequestError(f"{current.resource.kind} {current.key} has no resourceVersion: read it first")
    difference = merge_diff(_status_of(current), _status_of(wanted))
    return {"metadata": {"resourceVersion": version}, "status": difference} if difference else {}


def _status_of(obj: Object) -> dict[str, Any]:
    """As JSON has it; empty where there is none."""
    status = getattr(obj, "status", None)
    return {} if status is None else to_json_value(status)
