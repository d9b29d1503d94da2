"""The `gcp` auth-provider of kubeconfig users: an access token that a command of Google Cloud's renews.

The `kubernetes` package knows how. It is imported here and no sooner: it takes 20 MB and 0.2 s of CPU, and all other
credentials do without it.
"""

from __future__ import annotations

from typing import Any

from controller_runtime.client.errors import ConfigError


async def access_token(settings: dict[str, Any]) -> str:
    """An access token that is valid for some minutes.

    Args:
        settings: `config` of the auth-provider; `access-token` and `expiry` are replaced in it when renewed.

    Raises:
        ConfigError: the token has run out and there is none to be had.
    """
    from kubernetes.aio.config.config_exception import ConfigException
    from kubernetes.aio.config.kube_config import KubeConfigLoader

    user = {"auth-provider": {"name": "gcp", "config": settings}}
    document = {
        "current-context": "gcp",
        "contexts": [{"name": "gcp", "context": {"cluster": "gcp", "user": "gcp"}}],
        "clusters": [{"name": "gcp", "cluster": {}}],
        "users": [{"name": "gcp", "user": user}],
    }
    try:
        authorization = await KubeConfigLoader(document).load_gcp_token()
    except (ConfigException, OSError, ValueError, LookupError, TypeError) as error:  # the last two: a strange answer
        raise ConfigError(f"the gcp auth-provider gives no token: {error}") from error
    return str(authorization).removeprefix("Bearer ")
