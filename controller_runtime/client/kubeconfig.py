"""Reads kubeconfig files and selects from them what one context needs.

By kubectl's rules: of several files the first that has an entry of a name wins, also for `current-context`; files that
do not exist are passed over as long as one does; relative paths are relative to the file that they stand in.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from controller_runtime.client.errors import ConfigError

_TEXTS = ("server", "tls-server-name", "proxy-url", "token", "username", "password")
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_BASE64 = ("certificate-authority-data", "client-certificate-data", "client-key-data")
_TYPES: Mapping[str, tuple[type, str]] = {
    **dict.fromkeys((*_TEXTS, *_PATHS, *_BASE64), (str, "text")),
    **dict.fromkeys(("exec", "auth-provider"), (dict, "map")),
    "extensions": (list, "list"),
    "insecure-skip-tls-verify": (bool, "boolean"),  # the text "false" is true to whoever does not look
}
_ALTERNATIVES = ((("token", "tokenFile"), ("username", "password")), (("exec",), ("auth-provider",)))
"""What client-go, too, refuses in one user."""
_IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")


@dataclass(frozen=True, slots=True)
class SelectedContext:
    """What one context says, with absolute paths."""

    cluster: Mapping[str, Any]
    user: Mapping[str, Any] = field(repr=False)
    namespace: str
    origin: str
    """The files, and who named them, for messages."""


def select_context(paths: Sequence[Path], named_by: str, context: str | None) -> SelectedContext:
    """Read the files and select a context.

    Args:
        paths: Files, the most important first.
        named_by: Who named them (`the argument kubeconfig`, `KUBECONFIG`).
        context: None: `current-context`.

    Raises:
        ConfigError: no file exists, one is malformed, or the context is not complete.
    """
    origin = f"kubeconfig {os.pathsep.join(map(str, paths))} (from {named_by})"
    documents = [document for path in paths if (document := _read(path, named_by)) is not None]
    if not documents:
        raise ConfigError(f"{origin} does not exist")
    name = context or next((str(found) for document in documents if (found := document.get("current-context"))), "")
    if not name:
        raise ConfigError(f"{origin} has no current-context: choose one with `kubectl config use-context NAME`")
    chosen = _entry(documents, "contexts", "context", name, origin)
    cluster_name = chosen.get("cluster")
    if not cluster_name:
        raise ConfigError(f"{origin}: context {name!r} names no cluster")
    cluster = _entry(documents, "clusters", "cluster", cluster_name, origin)
    if not cluster.get("server"):
        raise ConfigError(f"{origin}: cluster {cluster_name!r} has no server")
    user_name = chosen.get("user") or ""
    user = _entry(documents, "users", "user", user_name, origin) if user_name else {}
    _check_base64(cluster | user, origin)
    _refuse_what_would_be_ignored(user, user_name, origin)
    return SelectedContext(cluster, user, str(chosen.get("namespace") or ""), origin)


def _read(path: Path, named_by: str) -> Mapping[str, Any] | None:
    """The file's document; None if there is no such file."""
    try:
        document = yaml.safe_load(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"kubeconfig {path} (from {named_by}) cannot be read: {error}") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())  # the parser's has several lines
        raise ConfigError(f"kubeconfig {path} (from {named_by}) is no valid YAML: {reason}") from error
    if not isinstance(document, dict):
        raise ConfigError(f"kubeconfig {path} (from {named_by}) is no kubeconfig: a map was expected")
    for section, single in (("contexts", "context"), ("clusters", "cluster"), ("users", "user")):
        _check_section(document.get(section), section, single, path)
    return _with_absolute_paths(document, path.absolute().parent)


def _check_section(entries: object, section: str, single: str, path: Path) -> None:
    if entries is not None and not isinstance(entries, list):
        raise ConfigError(f"kubeconfig {path}: {section} is no list")
    for entry in entries or ():
        if not isinstance(entry, dict) or "name" not in entry or not isinstance(entry.get(single) or {}, dict):
            raise ConfigError(f"kubeconfig {path}: {section} holds an entry without a name or without {single}")
        for key, value in (entry.get(single) or {}).items():
            kind, word = _TYPES.get(key, (object, ""))
            if value is not None and not isinstance(value, kind):
                raise ConfigError(f"kubeconfig {path}: {key} of {single} {entry['name']!r} is no {word}")


def _with_absolute_paths(document: dict[str, Any], directory: Path) -> dict[str, Any]:
    for section, single in (("clusters", "cluster"), ("users", "user")):
        for entry in document.get(section) or ():
            settings = entry.get(single) or {}
            for key in _PATHS:
                if settings.get(key):
                    settings[key] = str(directory / settings[key])
            plugin = settings.get("exec") or {}
            if os.sep in str(plugin.get("command") or ""):  # a bare name is looked up on PATH
                plugin["command"] = str(directory / plugin["command"])
    return document


def _entry(documents: Sequence[Mapping[str, Any]], section: str, single: str, name: str, origin: str) -> dict[str, Any]:
    for document in documents:
        for entry in document.get(section) or ():
            if entry["name"] == name:
                return dict(entry.get(single) or {})
    raise ConfigError(f"{origin} has no {single} {name!r}")


def _check_base64(settings: Mapping[str, Any], origin: str) -> None:
    for key in _BASE64:
        try:
            base64.b64decode("".join(str(settings.get(key) or "").split()), validate=True)
        except ValueError as error:
            raise ConfigError(f"{origin}: {key} is no base64: {error}") from error


def _refuse_what_would_be_ignored(user: Mapping[str, Any], name: str, origin: str) -> None:
    if found := [key for key in _IMPERSONATION if user.get(key)]:
        raise ConfigError(f"{origin}: user {name!r} impersonates another ({', '.join(found)}), which is not supported")
    for one, other in _ALTERNATIVES:
        if any(map(user.get, one)) and any(map(user.get, other)):
            raise ConfigError(
                f"{origin}: user {name!r} has both {' or '.join(one)} and {' or '.join(other)}: only one can be used"
            )
    if provider := user.get("auth-provider"):
        if provider.get("name") not in ("oidc", "gcp"):
            raise ConfigError(
                f"{origin}: user {name!r} has auth-provider {provider.get('name', '')!r}; use an exec plugin instead"
            )
        if not isinstance(provider.get("config") or {}, dict):
            raise ConfigError(f"{origin}: config of the auth-provider of user {name!r} is no map")
