"""What is asked for, as authorization sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from controller_runtime.envtest.apiserver.errors import StatusError, forbidden
from controller_runtime.envtest.apiserver.exchange import User
from controller_runtime.envtest.apiserver.validation.fields import quoted

MASTERS: Final = "system:masters"
"""The group whose members may do everything."""

_HTML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})


@dataclass(frozen=True, slots=True)
class Attributes:
    """A request, or what a review asks about.

    Attributes:
        user: who asks.
        verb: `get`, `list`, ...; of a path that is no resource, the HTTP method in small letters.
        group: of the resource.
        resource: plural; empty where `path` is asked for.
        subresource: if it is about one.
        namespace: empty for all, and for what is in none. A Namespace is in itself.
        name: of the object, empty for all.
        path: of a request that names no resource.
        is_path: whether `path` is asked for and not a resource.
    """

    user: User
    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    is_path: bool = False

    def refusal(self, reason: str = "") -> StatusError:
        """The 403 for it."""
        text = str(self).translate(_HTML)
        text = f"{text}: {reason}" if reason else text
        if not self.is_path:
            return forbidden(self.group, self.resource, self.name, text)
        return StatusError(403, "Forbidden", f"forbidden: {text}", details={})

    def __str__(self) -> str:
        """As the real server says it of a refused request."""
        who = f"User {quoted(self.user.name)} cannot {self.verb}"
        if self.is_path:
            return f"{who} path {quoted(self.path)}"
        resource = f"{self.resource}/{self.subresource}" if self.subresource else self.resource
        where = f"in the namespace {quoted(self.namespace)}" if self.namespace else "at the cluster scope"
        return f"{who} resource {quoted(resource)} in API group {quoted(self.group)} {where}"
