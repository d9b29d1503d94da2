"""What can go wrong with the cache, as one tree.

CacheError
├── NotCachedError           a read of a kind or a namespace that is not cached
├── IndexConflictError       an index name given twice
├── UnknownIndexError        a read by an index that was never declared
├── InformerStoppedError     a handler for an informer that has ended
├── TransformError           a transform made another object of one (logged; never raised to callers)
├── VeryShortWatchError      a watch that did not work (a cause of ReflectorError)
├── StreamingListError       a list as the beginning of a watch did not work (logged; a paged list follows)
├── ReflectorError           the copy of a kind cannot be kept up to date (never raised: `Informer.last_error`)
└── ObjectsMutatedError      somebody changed shared objects (only where mutations are detected)
"""

from __future__ import annotations

from collections.abc import Sequence

from controller_runtime.apimachinery import Resource
from controller_runtime.cache.options import Scope
from controller_runtime.client import ApiError, ForbiddenError, NotFoundError, TransportError, UnauthorizedError


class CacheError(Exception):
    """Base of the errors of the cache."""


class NotCachedError(CacheError, LookupError):
    """What was asked for is not cached at all, which is something else than an object that does not exist."""


class IndexConflictError(CacheError, ValueError):
    """The kind has an index of that name already."""


class UnknownIndexError(CacheError, LookupError):
    """The kind has no index of that name."""


class InformerStoppedError(CacheError, RuntimeError):
    """The informer has ended and delivers nothing any more."""


class TransformError(CacheError):
    """A transform returned an object of another type or identity."""


class VeryShortWatchError(CacheError):
    """The server ended a watch at once and without news, as happens behind a proxy that cuts streams."""


class StreamingListError(CacheError):
    """A watch that was to begin with all objects fell silent, took too long or ended before it had told them all."""


class ObjectsMutatedError(CacheError):
    """Shared objects were changed in place; `objects` names them."""

    def __init__(self, objects: Sequence[str]) -> None:
        super().__init__(
            f"objects of the cache were changed in place: {', '.join(objects)}; "
            "they are shared, so make a copy (msgspec.structs.replace, dict(...)) and change that"
        )
        self.objects = tuple(objects)


class ReflectorError(CacheError):
    """Why the copy of a kind cannot be read or followed at the moment, and what to do about it.

    Attributes:
        verb: `list` or `watch`.
        resource: what was read.
        scope: where, and which of them.
        cause: the error of the client, also in `__cause__`.
    """

    def __init__(self, verb: str, resource: Resource, scope: Scope, cause: Exception) -> None:
        what = " ".join(filter(None, (resource.qualified_plural, str(scope))))
        super().__init__(f"cannot {verb} {what}: {_reason(cause)}; {_advice(resource, scope.namespace, cause)}")
        self.verb = verb
        self.resource = resource
        self.scope = scope
        self.cause = cause
        self.__cause__ = cause


def _reason(cause: Exception) -> str:
    if isinstance(cause, ApiError):
        return f"{cause.message} ({f'{cause.code} {cause.reason}'.rstrip()})"
    return str(cause) or type(cause).__name__


def _advice(resource: Resource, namespace: str, cause: Exception) -> str:
    match cause:
        case ForbiddenError():
            role = f"a Role in namespace {namespace}" if namespace else "a ClusterRole"
            rule = f'{{apiGroups: ["{resource.group}"], resources: ["{resource.plural}"], verbs: [list, watch]}}'
            return f"bind {role} to this service account that has the rule {rule}"
        case NotFoundError():
            crd = f"install its CustomResourceDefinition {resource.qualified_plural} with version {resource.version}"
            if resource.install and resource.install not in cause.message:
                crd += f": {resource.install}"
            return crd if resource.group else f"version {resource.version} is not served by this cluster"
        case UnauthorizedError():
            return "check the credentials: the token or certificate is missing, expired or of another cluster"
        case TransportError():
            return "check that the API server is up and can be reached from here; asking again with back-off"
        case _:
            return "asking again with back-off"
