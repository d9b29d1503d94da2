"""Which proxy the environment wants for an API server, by the rules of Go's net/http."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from urllib.parse import urlsplit


def proxy_from_environment(url: str, environment: Mapping[str, str] = os.environ) -> str:
    """The proxy URL for `url`, or an empty text.

    `HTTPS_PROXY` or `HTTP_PROXY` by the scheme, upper case first. `NO_PROXY` holds names (with their subdomains; with a
    leading dot the subdomains alone), addresses and networks (`10.0.0.0/8`), each perhaps with a port, or `*`.
    Loopback never goes through a proxy.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").rstrip(".")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    proxy = _variable(environment, f"{parts.scheme}_proxy")
    if not proxy or _is_loopback(host):
        return ""
    exceptions = (entry.strip().lower() for entry in _variable(environment, "no_proxy").split(","))
    if any(_matches(entry, host, port) for entry in exceptions if entry):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name.upper(), "") or environment.get(name, "")


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _matches(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    address = _address(host)
    if "/" in entry:
        return address is not None and _in_network(address, entry)
    name, _, wanted_port = entry.rpartition(":")
    if name and wanted_port.isdigit() and (":" not in name or name.startswith("[")):
        if int(wanted_port) != port:
            return False
        entry = name
    entry = entry.strip("[]")
    if address is not None:
        return address == _address(entry)
    return host.endswith(entry) if entry.startswith(".") else host == entry or host.endswith(f".{entry}")


def _in_network(address: ipaddress.IPv4Address | ipaddress.IPv6Address, entry: str) -> bool:
    try:
        return address in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False
