"""What an informer reads, and how: selectors, options of a kind, and which of several settings holds."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias, TypeVar

from controller_runtime.apimachinery import NamespacedName, Object
from controller_runtime.apimachinery.selectors import FieldRequirement, LabelRequirement, parse_fields, parse_labels

V = TypeVar("V")

RESYNC_PERIOD: Final = 10 * 3600.0
"""Seconds, controller-runtime's default (`SyncPeriod`). Each wait is a random 90 to 110 % of the period."""


class Unset(enum.Enum):
    """The type of `UNSET`."""

    UNSET = "unset"


UNSET: Final = Unset.UNSET
"""Stands for an option that was not given, where None and empty values mean something."""


@dataclass(frozen=True, slots=True)
class Selector:
    """Which objects: labels and fields as kubectl writes them (`app=x,tier in (a,b)`, `metadata.name=x`).

    The texts are brought into one form, so that selectors with the same terms are equal whatever their order. Which
    fields can be selected depends on the kind; the API server refuses others.

    Raises:
        SelectorError: a text is malformed.
    """

    labels: str = ""
    fields: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", ",".join(sorted({_label_text(term) for term in parse_labels(self.labels)})))
        object.__setattr__(self, "fields", ",".join(sorted({_field_text(term) for term in parse_fields(self.fields)})))

    def __str__(self) -> str:
        """For messages and metrics; empty if everything is selected."""
        parts = [f"labels {self.labels}"] * bool(self.labels) + [f"fields {self.fields}"] * bool(self.fields)
        return " and ".join(parts)

    def and_fields(self, *terms: str) -> Selector:
        """A selector that demands these terms, too."""
        return replace(self, fields=",".join(filter(None, (self.fields, *terms))))


def _label_text(term: LabelRequirement) -> str:
    values = ",".join(sorted(term.values))
    match term.operator, len(term.values):
        case ("exists" | "!") as operator, _:
            return f"{'!' if operator == '!' else ''}{term.key}"
        case "=" | "==" | "in", 1:
            return f"{term.key}={values}"
        case "!=" | "notin", 1:
            return f"{term.key}!={values}"
        case ("in" | "notin") as operator, _:
            return f"{term.key} {operator} ({values})"
        case operator, _:
            return f"{term.key}{operator}{values}"


def _field_text(term: FieldRequirement) -> str:
    value = term.value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")
    return f"{term.field}{'!=' if term.negated else '='}{value}"


EVERYTHING: Final = Selector()

Transform: TypeAlias = Callable[[Any], Any]
"""From an object as it was read to the object that is cached, or that same object; see `InformerOptions.transform`."""
Namespaces: TypeAlias = Sequence[str] | Mapping[str, Selector | None]


@dataclass(frozen=True, kw_only=True)
class InformerOptions:
    """How the objects of a kind are read and kept. What is `UNSET` is taken from the cache's defaults.

    Each field's docstring in the source says what it is.

    A setting holds before another in this order: the kind's for a namespace, the kind's, the defaults' for a namespace,
    the defaults'. A setting that is given stops the search, an empty one, too: `Selector()` selects everything.
    """

    optional: bool | Unset = UNSET
    """Whether the API server may not serve the kind, which then counts as present without objects. Whoever declares the
    kind as required (`Cache.informer`) overrules it. Default: no."""
    namespaces: Namespaces | Unset = UNSET
    """What to read of a namespaced kind; empty for the whole cluster. A mapping gives a selector for each namespace
    (None: the one that holds otherwise). Its key "" stands for all other namespaces, which are read by one list and
    watch that leaves out the ones that are named."""
    selector: Selector | Unset = UNSET
    """Which objects to read. Others do not exist for the cache. Default: all."""
    transform: Transform | Unset | None = UNSET
    """Makes the object that is cached out of the one that was read, for instance without large annotations. It gets an
    object that nobody else has, returns that one or a new one, and may change nothing about its namespace, name, uid
    and resourceVersion. It may be called several times for one state. If it raises, the object is treated like one that
    cannot be decoded: logged, counted, and its last copy stays. Default: none."""
    resync_period: float | Unset | None = UNSET
    """Seconds between two times that handlers are told of everything that is cached, as of updates that change nothing;
    None: never. It asks nothing of the API server. Default: `RESYNC_PERIOD`."""
    bookmarks: bool | Unset = UNSET
    """Whether to ask the API server to tell the version of idle watches each minute. Without, a silent watch is opened
    anew more often, and a version that has expired costs a list. Default: yes."""
    streaming_list: bool | Unset = UNSET
    """Whether lists are asked for as the beginning of the watch, where the API server can do that. Needs bookmarks.
    Default: no, because pages cost less (see `reflector`)."""

    def __post_init__(self) -> None:
        if self.resync_period is not UNSET and self.resync_period is not None and self.resync_period < 1:
            raise ValueError(f"a resync period of {self.resync_period} s is too short: 1 s at least, or None for never")
        if self.streaming_list is True and self.bookmarks is False:
            raise ValueError("a streaming list ends with a bookmark: it needs bookmarks=True, or streaming_list=False")

    def over(self, defaults: InformerOptions) -> InformerOptions:
        """These options, completed by the defaults; the namespaces become a mapping with a selector for each."""
        own, inherited = _by_namespace(self.namespaces), _by_namespace(defaults.namespaces)
        bookmarks = first_set(self.bookmarks, defaults.bookmarks)
        names = inherited if self.namespaces is UNSET else own
        selectors = {
            name: first_set(own.get(name, UNSET), self.selector, inherited.get(name, UNSET), defaults.selector)
            for name in names or ("",)
        }
        return InformerOptions(
            optional=first_set(self.optional, defaults.optional),
            namespaces={name: EVERYTHING if one is UNSET else one for name, one in selectors.items()},
            selector=first_set(self.selector, defaults.selector),
            transform=first_set(self.transform, defaults.transform),
            resync_period=first_set(self.resync_period, defaults.resync_period),
            bookmarks=bookmarks,
            streaming_list=first_set(self.streaming_list, False if bookmarks is False else defaults.streaming_list),
        )


NO_OPTIONS: Final = InformerOptions()
BUILT_IN: Final = InformerOptions(
    namespaces=(),
    selector=EVERYTHING,
    transform=None,
    resync_period=RESYNC_PERIOD,
    bookmarks=True,
    streaming_list=False,
)
"""What holds where neither the kind nor the cache says anything; `optional` is then for users of the kind to say."""


def _by_namespace(namespaces: Namespaces | Unset) -> dict[str, Selector | Unset]:
    if namespaces is UNSET:
        return {}
    if isinstance(namespaces, Mapping):
        return {name: UNSET if selector is None else selector for name, selector in namespaces.items()}
    if not all(namespaces):
        raise ValueError("an empty namespace was given beside others; give none at all for the whole cluster")
    return dict.fromkeys(namespaces, UNSET)


def first_set(*values: V | Unset) -> V | Unset:
    """The first of the values that was given."""
    return next((value for value in values if value is not UNSET), UNSET)


@dataclass(frozen=True, slots=True)
class Scope:
    """What one reflector reads of a kind."""

    name: str = ""
    """The namespace that it answers for; empty for the whole cluster, or for whatever no other scope answers for."""
    namespace: str = ""
    """The namespace in its requests; empty for all."""
    selector: Selector = EVERYTHING

    def __str__(self) -> str:
        """For messages; empty for everything."""
        place = f"in namespace {self.namespace}" if self.namespace else ""
        return " ".join(filter(None, (place, f"with {self.selector}" if str(self.selector) else "")))

    def surely_holds(self, key: NamespacedName, labels: Mapping[str, str]) -> bool:
        """Whether an object of this scope's namespaces is selected; False if other fields than its key decide that."""
        if not parse_labels(self.selector.labels).matches(labels):
            return False
        known = {"metadata.name": key.name, "metadata.namespace": key.namespace}
        terms = parse_fields(self.selector.fields)
        return all(term.field in known for term in terms) and terms.matches(lambda: known)


WHOLE_CLUSTER: Final = Scope()


@dataclass(frozen=True, slots=True)
class Settings:
    """How one informer reads; see `InformerOptions` for what it means."""

    scopes: tuple[Scope, ...]
    transform: Transform | None
    resync_period: float | None
    bookmarks: bool
    streaming_list: bool


def settings(
    kind: type[Object], own: InformerOptions, defaults: InformerOptions, selector: Selector | None = None
) -> Settings:
    """What holds for an informer of a kind.

    Args:
        kind: class of the objects.
        own: the options of the kind.
        defaults: those of the cache.
        selector: what is selected in place of what the options say; None: what they say.

    Raises:
        ValueError: namespaces are given for a cluster-scoped kind.
    """
    if not kind.resource.namespaced:
        if own.namespaces is not UNSET:
            raise ValueError(f"{kind.__name__} is cluster-scoped: give no namespaces for it")
        defaults = replace(defaults, namespaces=())
    options = own.over(defaults.over(BUILT_IN))
    namespaces = _by_namespace(options.namespaces)
    return Settings(
        scopes=_scopes({name: selector or _given(one) for name, one in namespaces.items()}),
        transform=_given(options.transform),
        resync_period=_given(options.resync_period),
        bookmarks=_given(options.bookmarks),
        streaming_list=_given(options.streaming_list),
    )


def _given(value: V | Unset) -> V:
    if isinstance(value, Unset):
        raise TypeError("an option has no built-in default")
    return value


def _scopes(namespaces: Mapping[str, Selector]) -> tuple[Scope, ...]:
    others = [f"metadata.namespace!={name}" for name in sorted(namespaces) if name]
    return tuple(
        _scope(name, selector if name else selector.and_fields(*others))
        for name, selector in sorted(namespaces.items())
    )


def _scope(name: str, selector: Selector) -> Scope:
    """A selector that demands one namespace is asked of that namespace alone, so that a Role there is enough."""
    demanded = parse_fields(selector.fields).exact("metadata.namespace")
    return Scope(name, name or demanded or "", selector)
