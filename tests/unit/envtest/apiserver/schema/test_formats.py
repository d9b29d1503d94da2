"""Formats of strings: each with texts that the real server takes and texts that it refuses."""

from __future__ import annotations

import pytest

from controller_runtime.envtest.apiserver.schema.formats import effective_format, string_check

TAKEN = {
    "bsonobjectid": ["5f43a1e2c9d1b2a3f4e5d6c7"],
    "byte": ["aGVsbG8=", "YWJj"],
    "cidr": ["10.0.0.0/8", "010.0.0.0/8", "::/0", "1.2.3.4/08"],
    "creditcard": ["4220 8554 2622 2389"],
    "date": ["2024-02-29", "0000-02-29"],
    "date-time": ["2024-01-01t00:00:00z", "2024-01-01T00:00:00.123+01:00", "2024-01-01T00:00:00x1Z"],
    "duration": ["1h30m", "-1.5h", "1 day", "0", "2weeks", ".5s", "1us", "3 Days"],
    "email": ["a@b", "X <a@b>", '"a b"@c', "a@[::1]", "a@b (c)"],
    "hexcolor": ["#fff", "FFFFFF"],
    "hostname": ["example.com", "localhost", "a--b.com", "ünïcode.com"],
    "ipv4": ["1.2.3.4", "01.2.3.4", "::ffff:1.2.3.4"],
    "ipv6": ["::1", "1:2:3:4:5:6:7:8", "::ffff:1.2.3.4"],
    "isbn": ["0321751043", "978-0321751041", "3 401 01319 X"],
    "k8s-long-name": ["a.b-c.d"],
    "k8s-short-name": ["my-name"],
    "mac": ["00:11:22:33:44:55", "00-11-22-33-44-55", "0011.2233.4455", "001122334455"],
    "password": [""],
    "rgbcolor": ["rgb( 1 , 2 , 3 )"],
    "ssn": ["123-45-6789"],
    "uri": ["http://a.b", "/x", "*", "mailto:a@b", "http://[::1]:80/", "ftp://a:1:2/"],
    "uuid": ["123e4567-e89b-12d3-a456-426614174000", "123E4567E89B12D3A456426614174000"],
    "uuid4": ["123e4567-e89b-42d3-8456-426614174000"],
}
REFUSED = {
    "bsonobjectid": ["5f43a1e2c9d1b2a3f4e5d6c"],
    "byte": ["", "aGVsbG8", "a-_b"],
    "cidr": ["1.2.3.4", "10.0.0.0/33", "/8"],
    "creditcard": ["4220855426213389"],
    "date": ["2023-02-29", "2024-1-1", "2024-01-01\n"],
    "date-time": ["2024-01-01", "2024-01-01T24:00:00Z", "2024-01-01T00:00:00", "2024-01-01T00:00:60Z"],
    "duration": ["", "1", "1foo", "9223372036854775808ns", "1x"],
    "email": ["a", "a b@c", "a.@b", "a@b,c@d", "a@[1.2.3]", "X<a@b"],
    "hexcolor": ["#ffff"],
    "hostname": ["-a", "a_b", "a..b", "a.b.", "a" * 64],
    "ipv4": ["1.2.3", "256.1.1.1", "::1"],
    "ipv6": ["1.2.3.4", "1::2::3", "fe80::1%eth0", "::1.2.3"],
    "isbn": ["0321751044"],
    "k8s-long-name": ["a..b", "A"],
    "k8s-short-name": ["a.b", "-a"],
    "mac": ["00:11:22:33:44", "00:11-22:33:44:55"],
    "rgbcolor": ["rgb(256,1,1)", "rgb(01,2,3)"],
    "ssn": ["123456789"],
    "uri": ["", "x", "http://a b", "http://%zz", "http://a:1:2", "http://[1.2.3.4]/", ":x"],
    "uuid": ["123e4567-e89b-12d3-a456-42661417400"],
    "uuid4": ["123e4567-e89b-32d3-8456-426614174000"],
}


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in TAKEN.items() for text in texts])
def test_formats_take(name: str, text: str) -> None:
    check = string_check(name)
    assert check is not None
    assert check(text)


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in REFUSED.items() for text in texts])
def test_formats_refuse(name: str, text: str) -> None:
    check = string_check(name)
    assert check is not None
    assert not check(text)


@pytest.mark.parametrize(
    ("name", "types", "effective"),
    [
        pytest.param("date-time", ("string",), "date-time", id="of text"),
        pytest.param("date-time", ("object",), "", id="not of objects"),
        pytest.param("int32", ("integer",), "int32", id="of integers"),
        pytest.param("int32", ("string",), "", id="not of text"),
        pytest.param("double", ("number",), "double", id="of numbers"),
        pytest.param("ipv4", (), "ipv4", id="without a type as of text"),
        pytest.param("unheard-of", ("string",), "", id="unknown"),
    ],
)
def test_formats_count_only_for_their_type(name: str, types: tuple[str, ...], effective: str) -> None:
    assert effective_format(name, types) == effective
