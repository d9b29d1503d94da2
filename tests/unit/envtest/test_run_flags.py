"""How `make run` reads the flags that it hands to the operator."""

from pathlib import Path

import pytest

from hack.run import ADDRESS_FLAGS, Address, RunError, addresses, flag_value, operator_flags


@pytest.mark.parametrize(
    ("flags", "value"),
    [
        pytest.param([], None, id="absent"),
        pytest.param(["--x=1"], "1", id="equals sign"),
        pytest.param(["--x", "1"], "1", id="next word"),
        pytest.param(["-x=1"], "1", id="one dash, equals sign"),
        pytest.param(["-x", "1"], "1", id="one dash, next word"),
        pytest.param(["--x=1", "--x", "2"], "2", id="the last one wins"),
        pytest.param(["--x="], "", id="empty"),
        pytest.param(["--x=a=b"], "a=b", id="only the first equals sign parts"),
        pytest.param(["--xy=1"], None, id="a longer name is another flag"),
        pytest.param(["--x"], None, id="nothing follows"),
    ],
)
def test_a_flag_is_read_as_go_programs_write_it(flags: list[str], value: str | None) -> None:
    assert flag_value(flags, "x") == value


def test_every_server_listens_on_loopback_by_default() -> None:
    found = addresses(operator_flags(Path("/k"), []))
    assert set(found) == set(ADDRESS_FLAGS)
    assert {address.host for address in found.values()} == {"127.0.0.1"}
    assert len({address.port for address in found.values()}) == len(ADDRESS_FLAGS)


def test_the_users_flags_come_last_and_win() -> None:
    flags = operator_flags(Path("/k"), ["--boot-server-address=127.0.0.1:9", "--kubeconfig=mine"])
    assert flags[-2:] == ["--boot-server-address=127.0.0.1:9", "--kubeconfig=mine"]
    assert addresses(flags)["boot-server-address"].port == 9


@pytest.mark.parametrize(
    ("value", "url"),
    [
        pytest.param("127.0.0.1:9", "http://127.0.0.1:9", id="IPv4"),
        pytest.param(":9", "http://127.0.0.1:9", id="all interfaces"),
        pytest.param("0.0.0.0:9", "http://127.0.0.1:9", id="all interfaces, IPv4"),
        pytest.param("[::]:9", "http://[::1]:9", id="all interfaces, IPv6"),
        pytest.param("[::1]:9", "http://[::1]:9", id="IPv6"),
        pytest.param("localhost:9", "http://localhost:9", id="a name"),
    ],
)
def test_a_url_is_one_that_this_machine_can_ask(value: str, url: str) -> None:
    found = addresses(operator_flags(Path("/k"), [f"--boot-server-address={value}"]))
    assert found["boot-server-address"].url == url


@pytest.mark.parametrize("value", [pytest.param("0", id="zero"), pytest.param("", id="empty")])
def test_a_server_that_is_switched_off_has_no_address(value: str) -> None:
    found = addresses(operator_flags(Path("/k"), [f"--metrics-bind-address={value}"]))
    assert "metrics-bind-address" not in found
    assert len(found) == len(ADDRESS_FLAGS) - 1


@pytest.mark.parametrize("value", ["8080", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:http", "127.0.0.1:65536", ":-1"])
def test_an_address_that_cannot_be_asked_is_refused_by_the_name_of_its_flag(value: str) -> None:
    with pytest.raises(RunError, match=f"--boot-server-address={value} is not HOST:PORT"):
        addresses(operator_flags(Path("/k"), [f"--boot-server-address={value}"]))


def test_an_address_keeps_the_host_that_is_bound() -> None:
    found = addresses(operator_flags(Path("/k"), ["--boot-server-address=:9"]))
    assert found["boot-server-address"] == Address("boot-server-address", "", 9)
