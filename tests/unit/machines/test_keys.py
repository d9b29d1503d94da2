"""One form for each machine key, whatever notation it comes in."""

from __future__ import annotations

import ipaddress
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machines import machine_uuid, network_identifier

UUIDS = st.uuids().map(str)
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
OCTETS = st.binary(min_size=6, max_size=6)
BLANK = st.text(alphabet=" \t\r\n", max_size=3)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("4c4c4544-0051-3610-8052-b4c04f4e4d31", "4c4c4544-0051-3610-8052-b4c04f4e4d31", id="as it is"),
        pytest.param("4C4C4544-0051-3610-8052-B4C04F4E4D31", "4c4c4544-0051-3610-8052-b4c04f4e4d31", id="upper case"),
        pytest.param("4c4c45440051361080 52b4c04f4e4d31", "4c4c45440051361080 52b4c04f4e4d31", id="not a uuid: space"),
        pytest.param("4C4C4544005136108052b4c04f4e4d31", "4c4c4544-0051-3610-8052-b4c04f4e4d31", id="no hyphens"),
        pytest.param("{4c4c4544-0051-3610-8052-b4c04f4e4d31}", "4c4c4544-0051-3610-8052-b4c04f4e4d31", id="braces"),
        pytest.param(" 4c4c4544-0051-3610-8052-b4c04f4e4d31\n", "4c4c4544-0051-3610-8052-b4c04f4e4d31", id="blanks"),
        pytest.param("Chassis-7", "chassis-7", id="any other text"),
        pytest.param("", "", id="empty"),
        pytest.param(" \t\n", "", id="blank"),
    ],
)
def test_a_uuid_has_one_form(text: str, key: str) -> None:
    assert machine_uuid(text) == key


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("aa:bb:cc:dd:ee:0f", "aa:bb:cc:dd:ee:0f", id="mac"),
        pytest.param("AA:BB:CC:DD:EE:0F", "aa:bb:cc:dd:ee:0f", id="mac, upper case"),
        pytest.param("aa-bb-cc-dd-ee-0f", "aa:bb:cc:dd:ee:0f", id="mac, dashes"),
        pytest.param("aabb.ccdd.ee0f", "aa:bb:cc:dd:ee:0f", id="mac, Cisco"),
        pytest.param("aabb-ccdd-ee0f", "aa:bb:cc:dd:ee:0f", id="mac, Huawei"),
        pytest.param("aabbcc-ddee0f", "aa:bb:cc:dd:ee:0f", id="mac, HP"),
        pytest.param("aa.bb.cc.dd.ee.0f", "aa:bb:cc:dd:ee:0f", id="mac, dots"),
        pytest.param("AABBCCDDEE0F", "aa:bb:cc:dd:ee:0f", id="mac, bare"),
        pytest.param("aa:bb-cc:dd-ee:0f", "aa:bb-cc:dd-ee:0f", id="mixed separators are no mac"),
        pytest.param("10.0.0.1", "10.0.0.1", id="IPv4"),
        pytest.param("2001:DB8:0:0::1", "2001:db8::1", id="IPv6"),
        pytest.param("::ffff:10.0.0.1", "10.0.0.1", id="IPv4 mapped into IPv6"),
        pytest.param("fe80::1%eth0", "fe80::1", id="zone"),
        pytest.param("010.0.0.1", "010.0.0.1", id="leading zeros are ambiguous, so no address"),
        pytest.param("Rack7", "rack7", id="any other text"),
        pytest.param("   ", "", id="blank"),
    ],
)
def test_a_network_identifier_has_one_form(text: str, key: str) -> None:
    assert network_identifier(text) == key


@given(UUIDS, st.booleans(), st.booleans(), st.booleans(), BLANK)
def test_every_notation_of_a_uuid_gives_the_same_key(
    text: str, upper: bool, hyphens: bool, braces: bool, blank: str
) -> None:
    written = text if hyphens else text.replace("-", "")
    written = written.upper() if upper else written
    written = f"{{{written}}}" if braces else written
    assert machine_uuid(f"{blank}{written}{blank}") == text == str(uuid.UUID(text))


@given(OCTETS, st.sampled_from([":", "-", "", "."]), st.sampled_from([2, 4, 6]), st.booleans())
def test_every_notation_of_a_mac_gives_the_same_key(octets: bytes, separator: str, width: int, upper: bool) -> None:
    digits = octets.hex()
    written = separator.join(digits[start : start + width] for start in range(0, 12, width))
    assert network_identifier(written.upper() if upper else written) == octets.hex(":")


@given(ADDRESSES, st.booleans())
def test_every_notation_of_an_address_gives_the_same_key(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, upper: bool
) -> None:
    written = address.exploded.upper() if upper else address.exploded
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    assert network_identifier(written) == str(mapped or address)


@given(st.ip_addresses(v=4))
def test_an_ipv4_address_and_its_mapped_form_are_one_key(address: ipaddress.IPv4Address) -> None:
    assert network_identifier(f"::ffff:{address}") == network_identifier(str(address))


@given(st.text(max_size=40))
def test_keys_are_fixed_points(text: str) -> None:
    assert machine_uuid(machine_uuid(text)) == machine_uuid(text)
    assert network_identifier(network_identifier(text)) == network_identifier(text)


@given(ADDRESSES, OCTETS)
def test_an_address_is_never_taken_for_a_mac(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address, octets: bytes
) -> None:
    assert network_identifier(str(address)) != octets.hex(":")
