"""Which form of an answer a client wants: the object itself, a Table, or its metadata alone; as JSON or YAML."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from controller_runtime.envtest.apiserver.errors import no_representation, not_acceptable, unsupported_media_type
from controller_runtime.envtest.apiserver.exchange import JSON, YAML

Form: TypeAlias = Literal["Object", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"]
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
PRODUCED: Final = (JSON, YAML, PROTOBUF)
"""Media types that errors name, as the real server's do. Nothing is answered in protobuf here: who accepts JSON besides
it, as Go's clients do, gets JSON."""
PATCHES: Final = (
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
)
"""Media types of patches of built-in kinds."""
CUSTOM_PATCHES: Final = (*PATCHES[:2], PATCHES[3])
"""Those of custom kinds."""
_STREAMED: Final = (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")
_WRITTEN: Final = (JSON, YAML)
_CONSUMED: Final = (JSON, YAML)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A form, and how it is written."""

    form: Form = "Object"
    version: str = "v1"
    """Of meta.k8s.io, for the forms that are of that group."""
    yaml: bool = False

    @property
    def content_type(self) -> str:
        """Media type of the answer."""
        return YAML if self.yaml else JSON


@functools.lru_cache(maxsize=256)
def negotiate(accept: str, *, stream: bool = False) -> Wanted:
    """The first form in an Accept header that can be had; any will do where there is no header.

    Args:
        accept: the header.
        stream: whether a watch is asked for.

    Raises:
        StatusError: 406, there is none.
    """
    if not accept:
        return Wanted()
    for clause in sorted(accept.split(","), key=_quality, reverse=True):
        wanted = _wanted(clause)
        if wanted is None:
            continue
        if stream and wanted.yaml:
            raise not_acceptable(_STREAMED)
        return wanted
    raise not_acceptable(PRODUCED)


def _quality(clause: str) -> float:
    quality = _parameters(clause).get("q", "1")
    try:
        return float(quality)
    except ValueError:
        return 0.0


def _parameters(clause: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in clause.split(";")[1:])
    return {name.strip(): value.strip() for name, _, value in pairs}


def _wanted(clause: str) -> Wanted | None:
    media_type = clause.partition(";")[0].strip()
    if media_type not in (*_WRITTEN, "*/*", "application/*"):
        return None
    parameters = _parameters(clause)
    form, yaml = parameters.get("as", ""), media_type == YAML
    if not form:
        return Wanted(yaml=yaml)
    version = parameters.get("v", "")
    if parameters.get("g") != "meta.k8s.io" or version not in ("v1", "v1beta1"):
        return None
    match form:
        case "Table" | "PartialObjectMetadata" | "PartialObjectMetadataList":
            return Wanted(form, version, yaml)
    return None


@functools.lru_cache(maxsize=256)
def require_representation(accept: str, *, streams: bool, types: tuple[str, ...] = PRODUCED) -> None:
    """Checks what a path of a built-in kind answers in at all, before anybody asks for a form.

    Args:
        accept: the header.
        streams: whether the path can be watched.
        types: what there is.

    Raises:
        StatusError: 406.
    """
    clauses = {clause.partition(";")[0].strip() for clause in accept.split(",")} if accept else set()
    if clauses and not clauses & {"*/*", *types}:
        raise no_representation((*types, *_STREAMED) if streams else types)


def plain(accept: str) -> Wanted | None:
    """How an error is written: None where the header does not name any way of writing one."""
    if not accept:
        return Wanted()
    for clause in sorted(accept.split(","), key=_quality, reverse=True):
        wanted = _wanted(clause)
        if wanted is not None and wanted.form == "Object":
            return wanted
    return None


def body_type(content_type: str, *, custom: bool = False) -> str:
    """Media type of a body that may be JSON, YAML or protobuf.

    Args:
        content_type: the header.
        custom: whether it is an object of a custom kind, of which there is no protobuf.

    Raises:
        StatusError: 415, it is something else.
    """
    media_type = content_type.partition(";")[0].strip().lower() or JSON
    if media_type not in (_CONSUMED if custom else PRODUCED):
        raise unsupported_media_type(PRODUCED)
    return media_type
