"""The scripts, byte for byte, and that no value of a spec can add lines to them."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.v1alpha1 import IPXEBootConfig, IPXEBootConfigSpec
from controller_runtime.apimachinery import ObjectMeta
from machines import InvalidFieldError
from machines.ipxe import ScriptCache, chain_script, default_script

SERVICE = "http://boot.example:8082"


def config(**fields: Any) -> IPXEBootConfig:
    """`uid` and `generation` go into the metadata, the rest into the spec."""
    identity: dict[str, Any] = {"uid": "uid-1", "generation": 1}
    identity |= {name: fields.pop(name) for name in tuple(fields) if name in identity}
    metadata = ObjectMeta(name="a", namespace="lab", **identity)
    urls = {"kernel_url": "http://images/kernel", "initrd_url": "http://images/initrd"} | fields
    return IPXEBootConfig(metadata=metadata, spec=IPXEBootConfigSpec(**urls))


def test_the_chain_script_asks_again_with_the_uuid() -> None:
    assert chain_script(SERVICE).decode() == (
        "#!ipxe\n"
        "set ipxe-svc http://boot.example:8082\n"
        "set base-url ${ipxe-svc}/ipxe\n"
        "chain --replace --autofree ${base-url}/${uuid}\n"
    )


def test_the_default_script_boots_kernel_and_initrd() -> None:
    assert default_script(config(), SERVICE).decode() == (
        "#!ipxe\n"
        "set ipxe-svc http://boot.example:8082\n"
        "set kernel-url http://images/kernel\n"
        "set initrd-url http://images/initrd\n"
        "echo Fetching the kernel\n"
        "kernel ${kernel-url} initrd=initrd ip=any ignition.firstboot=1 "
        "ignition.config.url=${ipxe-svc}/ignition/${uuid} ignition.platform.id=metal "
        "console=ttyS0,115200 console=tty0 console=ttyAMA0 earlyprintk=ttyS0,115200 consoleblank=0\n"
        "echo Fetching the initrd\n"
        "initrd ${initrd-url}\n"
        "echo Starting the kernel\n"
        "boot\n"
    )


def test_a_squashfs_becomes_the_root_file_system() -> None:
    script = default_script(config(squashfs_url="http://images/root?a=%3A"), SERVICE).decode()
    assert "set squashfs-url http://images/root?a=%3A\n" in script
    assert "initrd=initrd gl.ovl=/:tmpfs gl.url=${squashfs-url} gl.live=1 ip=any " in script


@pytest.mark.parametrize(
    ("field", "json_name"),
    [
        pytest.param("kernel_url", "spec.kernelURL", id="kernel"),
        pytest.param("initrd_url", "spec.initrdURL", id="initrd"),
        pytest.param("squashfs_url", "spec.squashfsURL", id="squashfs"),
    ],
)
@pytest.mark.parametrize("character", [pytest.param(c, id=f"{ord(c):#x}") for c in "\n\r\0\x1b\x7f\x85"])
def test_a_control_character_in_a_url_is_an_error_that_names_the_field(
    field: str, json_name: str, character: str
) -> None:
    with pytest.raises(InvalidFieldError, match="control character") as caught:
        default_script(config(**{field: f"http://images/x{character}shell"}), SERVICE)
    assert caught.value.field == json_name
    assert str(caught.value).startswith(f"IPXEBootConfig lab/a: {json_name} ")


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("http://images/x || shell", id="a command on failure"),
        pytest.param("http://images/x && shell", id="a command on success"),
        pytest.param("http://images/x ; shell", id="another command"),
        pytest.param("http://images/x single", id="an argument"),
        pytest.param(" ", id="nothing but a blank"),
        pytest.param("#x", id="a comment"),
        pytest.param("||", id="nothing but an operator"),
        pytest.param("--help", id="an option"),
    ],
)
@pytest.mark.parametrize("field", ["kernel_url", "initrd_url", "squashfs_url"])
def test_what_ipxe_would_not_take_as_one_word_is_an_error(field: str, value: str) -> None:
    with pytest.raises(InvalidFieldError, match="is no URL for iPXE"):
        default_script(config(**{field: value}), SERVICE)


@pytest.mark.parametrize(
    "value", ["http://${next-server}/${buildarch}/x", "http://h/x?a=b&c=d#e", "/x", "tftp://h/x;y"]
)
def test_settings_and_every_form_of_url_are_for_ipxe_to_resolve(value: str) -> None:
    assert f"set kernel-url {value}\n" in default_script(config(kernel_url=value), SERVICE).decode()


@pytest.mark.parametrize("field", ["kernel_url", "initrd_url"])
def test_a_missing_url_is_an_error(field: str) -> None:
    with pytest.raises(InvalidFieldError, match="is empty, set it to a URL"):
        default_script(config(**{field: ""}), SERVICE)


@given(st.text(min_size=1), st.text(min_size=1), st.text(min_size=1))
def test_the_script_has_as_many_lines_whatever_the_urls_hold(kernel: str, initrd: str, squashfs: str) -> None:
    try:
        script = default_script(config(kernel_url=kernel, initrd_url=initrd, squashfs_url=squashfs), SERVICE)
    except (InvalidFieldError, UnicodeEncodeError):
        return
    assert script.count(b"\n") == 11
    assert script.endswith(b"\n")
    assert b"\r" not in script


def test_a_script_is_rendered_once_per_uid_generation_and_service() -> None:
    cache = ScriptCache()
    first = cache.default_script(config(), SERVICE)
    assert cache.default_script(config(kernel_url="http://not/seen"), SERVICE) is first
    assert cache.default_script(config(generation=2), SERVICE) is not first
    assert cache.default_script(config(uid="uid-2"), SERVICE) is not first
    assert b"http://other:1" in cache.default_script(config(), "http://other:1")


def test_long_scripts_are_not_kept_so_that_clients_cannot_fill_the_memory_with_host_names() -> None:
    cache = ScriptCache()
    long = config(kernel_url=f"http://images/{'x' * 100_000}")
    first = cache.default_script(long, SERVICE)
    assert cache.default_script(long, SERVICE) == first
    assert len(cache._scripts) == 0


def test_the_least_used_script_is_dropped_first() -> None:
    cache = ScriptCache(size=2)
    first, second = (cache.default_script(config(uid=uid), SERVICE) for uid in ("uid-1", "uid-2"))
    cache.default_script(config(uid="uid-1"), SERVICE)
    cache.default_script(config(uid="uid-3"), SERVICE)
    assert cache.default_script(config(uid="uid-1"), SERVICE) is first
    assert cache.default_script(config(uid="uid-2"), SERVICE) is not second
