"""Listening addresses in the form of Go programs."""

import socket

import pytest

from controller_runtime.manager.listen import ListenError, bind


def test_a_loopback_address_is_listened_on_and_port_0_takes_a_free_port() -> None:
    (bound,) = bind("127.0.0.1:0", purpose="the test")
    with bound, socket.create_connection(bound.getsockname()):
        assert bound.getsockname()[1] > 0


def test_an_address_without_a_host_means_all_interfaces() -> None:
    bound = bind(":0", purpose="the test")
    hosts = {sock.getsockname()[0] for sock in bound}
    for sock in bound:
        sock.close()
    assert hosts <= {"0.0.0.0", "::"}
    assert hosts


def test_a_taken_port_is_one_sentence_that_names_purpose_and_address() -> None:
    (first,) = bind("127.0.0.1:0", purpose="the first")
    address = f"127.0.0.1:{first.getsockname()[1]}"
    with first, pytest.raises(ListenError) as error:
        bind(address, purpose="the boot server (--boot-server-address)")
    assert (
        str(error.value)
        == f"the boot server (--boot-server-address): cannot listen on {address}: the address is already in use"
    )


@pytest.mark.parametrize("address", ["8082", "localhost", ":http", ":99999", ""])
def test_what_is_no_address_is_refused_with_the_form_to_use(address: str) -> None:
    with pytest.raises(ListenError, match="write host:port or :port"):
        bind(address, purpose="the test")
