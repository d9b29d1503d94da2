"""Users of kubeconfigs, and what they show to the API server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from controller_runtime.client import CredentialSource, load_config


async def load_user(directory: Path, user: dict[str, Any], **cluster: Any) -> CredentialSource:
    """The credentials of a kubeconfig user, with more settings of the cluster."""
    document = {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": "https://127.0.0.1", **cluster}}],
        "users": [{"name": "x", "user": user}],
    }
    path = directory / "config"
    path.write_text(json.dumps(document))
    return (await load_config(str(path))).credentials


async def authorization(source: CredentialSource) -> str:
    return (await source.current()).authorization


def content(path: str) -> str:
    return Path(path).read_text()
