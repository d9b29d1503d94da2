"""Proxies from the environment, by Go's rules."""

from __future__ import annotations

import pytest

from controller_runtime.client.proxies import proxy_from_environment

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({}, "", id="none"),
        pytest.param({"HTTPS_PROXY": PROXY}, PROXY, id="upper case"),
        pytest.param({"https_proxy": PROXY}, PROXY, id="lower case"),
        pytest.param({"HTTPS_PROXY": PROXY, "https_proxy": "http://other"}, PROXY, id="upper case first"),
        pytest.param({"HTTP_PROXY": PROXY}, "", id="of the other scheme"),
        pytest.param({"HTTPS_PROXY": "proxy.example:3128"}, PROXY, id="without a scheme"),
    ],
)
def test_which_variable_counts(environment: dict[str, str], expected: str) -> None:
    assert proxy_from_environment("https://api.example:6443", environment) == expected


@pytest.mark.parametrize(
    ("url", "exceptions", "proxied"),
    [
        pytest.param("https://api.example.com", "", True, id="no exceptions"),
        pytest.param("https://api.example.com", "*", False, id="everything"),
        pytest.param("https://api.example.com", "other.com, example.com", False, id="a domain covers its subdomains"),
        pytest.param("https://example.com", "example.com", False, id="a domain covers itself"),
        pytest.param("https://badexample.com", "example.com", True, id="but not what merely ends so"),
        pytest.param("https://example.com", ".example.com", True, id="a leading dot: not itself"),
        pytest.param("https://api.example.com", ".example.com", False, id="a leading dot: subdomains"),
        pytest.param("https://API.example.com", "api.EXAMPLE.com", False, id="case does not matter"),
        pytest.param("https://10.96.0.1:443", "10.0.0.0/8", False, id="a network"),
        pytest.param("https://11.96.0.1:443", "10.0.0.0/8", True, id="outside of the network"),
        pytest.param("https://10.96.0.1:443", "10.96.0.1", False, id="an address"),
        pytest.param("https://10.96.0.1:443", "10.96.0.1:443", False, id="an address with this port"),
        pytest.param("https://10.96.0.1:443", "10.96.0.1:80", True, id="an address with another port"),
        pytest.param("https://10.96.0.1", "10.96.0.1:443", False, id="the scheme's port"),
        pytest.param("https://[fd00::1]:6443", "fd00::/8", False, id="an IPv6 network"),
        pytest.param("https://[fd00::1]:6443", "[fd00::1]:6443", False, id="an IPv6 address with a port"),
        pytest.param("https://[fd00::1]:6443", "fd00::1", False, id="an IPv6 address"),
        pytest.param("https://api.example.com", "10.0.0.0/8", True, id="a name is in no network"),
        pytest.param("https://10.96.0.1", "10.0.0.0/88", True, id="a malformed network matches nothing"),
        pytest.param("https://127.0.0.1:6443", "", False, id="loopback, IPv4"),
        pytest.param("https://[::1]:6443", "", False, id="loopback, IPv6"),
        pytest.param("https://localhost:6443", "", False, id="loopback by name"),
    ],
)
def test_exceptions(url: str, exceptions: str, proxied: bool) -> None:
    found = proxy_from_environment(url, {"HTTPS_PROXY": PROXY, "NO_PROXY": exceptions})
    assert found == (PROXY if proxied else "")
