"""The Host header becomes part of scripts, so nothing but a host and a port gets through."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webserver.service_url import InvalidHostError, service_url


@pytest.mark.parametrize(
    ("host", "url"),
    [
        pytest.param("boot.example", "http://boot.example:8082", id="name without port: that of the socket"),
        pytest.param("boot.example:80", "http://boot.example:80", id="name with port"),
        pytest.param("boot.example:", "http://boot.example:8082", id="empty port"),
        pytest.param("boot_1", "http://boot_1:8082", id="underscore"),
        pytest.param("boot.example.", "http://boot.example.:8082", id="rooted name"),
        pytest.param("10.0.2.2", "http://10.0.2.2:8082", id="IPv4"),
        pytest.param("10.0.2.2:9000", "http://10.0.2.2:9000", id="IPv4 with port"),
        pytest.param("[2001:db8::1]", "http://[2001:db8::1]:8082", id="IPv6"),
        pytest.param("[::ffff:10.0.0.1]:1", "http://[::ffff:10.0.0.1]:1", id="IPv6 with port"),
    ],
)
def test_the_url_has_the_port_of_the_header_or_of_the_socket(host: str, url: str) -> None:
    assert service_url(host, 8082) == url


@pytest.mark.parametrize(
    "host",
    [
        pytest.param(None, id="absent"),
        pytest.param("", id="empty"),
        pytest.param("a b", id="space"),
        pytest.param("a,b", id="two headers"),
        pytest.param("a/b", id="path"),
        pytest.param("user@a", id="user"),
        pytest.param("a\nshell", id="newline"),
        pytest.param("${evil}", id="iPXE variable"),
        pytest.param("a:0", id="port 0"),
        pytest.param("a:65536", id="port too large"),
        pytest.param("a:8o", id="port not a number"),
        pytest.param("2001:db8::1", id="IPv6 without brackets"),
        pytest.param("[2001:db8::1", id="open bracket"),
        pytest.param("[1.2.3.4]", id="IPv4 in brackets"),
        pytest.param("[fe80::1%25eth0]", id="zone"),
        pytest.param("-a", id="leading dash"),
        pytest.param("a" * 256, id="too long"),
        pytest.param("bücher.example", id="not ASCII"),
        pytest.param("a:\u0663", id="digit of another script"),
    ],
)
def test_anything_else_is_refused(host: str | None) -> None:
    with pytest.raises(InvalidHostError):
        service_url(host, 8082)


@given(st.text(max_size=80))
def test_no_host_adds_lines_or_variables_to_a_script(host: str) -> None:
    try:
        url = service_url(host, 8082)
    except InvalidHostError:
        return
    assert url.isascii()
    assert url.isprintable()
    assert not set(" ${}#|&;\\") & set(url)
