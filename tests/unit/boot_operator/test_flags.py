"""The command line: forms and defaults of the Go operator."""

from pathlib import Path
from typing import Any

import pytest

from boot_operator.flags import CONTROLLERS, Options, StandaloneOptions, in_flags, parse, parse_standalone
from controller_runtime.certificates import CertificateError
from controller_runtime.client import ConfigError, load_config
from controller_runtime.envtest import InMemoryAPI
from controller_runtime.manager import ListenError, Manager, MetricsServerOptions


def options(*arguments: str, **environment: str) -> Options:
    return parse(arguments, environment)


def test_the_defaults_are_the_go_operators() -> None:
    found = options()
    assert found.metrics_bind_address == ":8080"
    assert found.health_probe_bind_address == ":8081"
    assert found.boot_server_address == ":8082"
    assert found.image_proxy_server_address == ":8083"
    assert found.metrics_secure is True
    assert (found.metrics_cert_path, found.metrics_cert_name, found.metrics_cert_key) == (None, "tls.crt", "tls.key")
    assert found.leader_elect is False
    assert found.controllers == frozenset(CONTROLLERS)
    assert found.max_staleness == 600


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(("--boot-server-address=:1",), id="two dashes, equals sign"),
        pytest.param(("--boot-server-address", ":1"), id="two dashes, blank"),
        pytest.param(("-boot-server-address=:1",), id="one dash, equals sign"),
        pytest.param(("-boot-server-address", ":1"), id="one dash, blank"),
        pytest.param(("--boot-server-address=:2", "--boot-server-address=:1"), id="the last one wins"),
    ],
)
def test_a_flag_is_read_in_every_form_that_go_takes(arguments: tuple[str, ...]) -> None:
    assert options(*arguments).boot_server_address == ":1"


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        pytest.param("--metrics-secure=false", False, id="false"),
        pytest.param("--metrics-secure=0", False, id="0"),
        pytest.param("--metrics-secure=T", True, id="T"),
        pytest.param("--metrics-secure", True, id="no value"),
    ],
)
def test_a_switch_is_read_as_go_reads_it(argument: str, expected: bool) -> None:
    assert options(argument).metrics_secure is expected


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(("--controllers=*",), {"ipxebootconfig", "httpbootconfig"}, id="star"),
        pytest.param(("--controllers=ipxebootconfig",), {"ipxebootconfig"}, id="one by name"),
        pytest.param(("--controllers=*,-ipxebootconfig",), {"httpbootconfig"}, id="all but one"),
        pytest.param(("--controllers", "-httpbootconfig"), {"ipxebootconfig"}, id="minus alone, after a blank"),
        pytest.param(("--controllers=-httpbootconfig,-ipxebootconfig",), set(), id="none"),
    ],
)
def test_controllers_are_chosen_by_name(arguments: tuple[str, ...], expected: set[str]) -> None:
    assert options(*arguments).controllers == expected


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(("--controllers=-*",), "unknown controller '-*'", id="minus star"),
        pytest.param(("--controllers=ipxe",), "unknown controller 'ipxe'; there are: ipxebootconfig", id="controller"),
        pytest.param(("--no-such-flag",), "--no-such-flag", id="flag"),
        pytest.param(("--metrics-secure=maybe",), "'maybe' is neither true nor false", id="switch"),
        pytest.param(
            ("--leader-elect", "false", "--zap-devel"), "write --leader-elect=false", id="switch, value after a blank"
        ),
        pytest.param(("-enable-http2", "false"), "write --enable-http2=false", id="the same with one dash"),
        pytest.param(("--max-staleness=10",), "write for example 30s", id="duration"),
        pytest.param(("--zap-log-level=loud",), "'loud' is no level", id="level"),
        pytest.param(("--ipxe-service-port=http",), "--ipxe-service-port", id="number"),
    ],
)
def test_a_wrong_command_line_ends_with_status_2_and_one_line(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        options(*arguments)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        pytest.param((), {}, "", id="nothing is known: each request tells"),
        pytest.param(("--ipxe-service-url=http://boot/",), {}, "http://boot", id="flag, without the last slash"),
        pytest.param((), {"IPXE_SERVER_ADDRESS": "192.0.2.1"}, "http://192.0.2.1:5000", id="environment"),
        pytest.param(
            ("--ipxe-service-protocol=https", "--ipxe-service-port=443"),
            {"IPXE_SERVER_ADDRESS": "boot"},
            "https://boot:443",
            id="environment with protocol and port",
        ),
        pytest.param(
            ("--ipxe-service-url=http://a",), {"IPXE_SERVER_ADDRESS": "b"}, "http://a", id="the flag wins over it"
        ),
    ],
)
def test_the_service_url_comes_from_the_flag_or_the_environment(
    arguments: tuple[str, ...], environment: dict[str, str], expected: str
) -> None:
    assert options(*arguments, **environment).ipxe_service_url == expected


def test_the_metrics_take_their_certificate_from_where_it_is_said_to_be() -> None:
    found = options("--metrics-cert-path=/tls", "--metrics-cert-name=a.crt", "--metrics-cert-key", "a.key")
    assert (found.metrics_cert_path, found.metrics_cert_name, found.metrics_cert_key) == (
        Path("/tls"),
        "a.crt",
        "a.key",
    )
    assert found.without_effect == ()


def test_debug_pages_are_served_where_they_are_asked_for_alone() -> None:
    assert options().debug_bind_address == "0"
    assert options("--debug-bind-address=127.0.0.1:6060").debug_bind_address == "127.0.0.1:6060"


def test_controllers_of_the_go_operator_that_are_not_here_yet_are_accepted_and_named() -> None:
    found = options("--controllers=ipxebootconfig,serverbootconfigpxe")
    assert found.controllers == {"ipxebootconfig"}
    assert found.without_effect == ("--controllers=serverbootconfigpxe",)


def test_one_dash_is_enough_for_a_flag_with_a_digit() -> None:
    assert options("-enable-http2").without_effect == ("--enable-http2",)


def test_flags_of_the_go_operator_without_effect_are_accepted_and_named() -> None:
    found = options("--enable-http2", "--architecture=arm64", "--zap-time-encoding", "iso8601")
    assert set(found.without_effect) >= {"--enable-http2", "--architecture"}


@pytest.mark.parametrize(
    ("arguments", "level", "json"),
    [
        pytest.param((), "info", False, id="default"),
        pytest.param(("--zap-devel=false",), "info", True, id="production"),
        pytest.param(("--zap-encoder=json",), "info", True, id="encoder"),
        pytest.param(("--zap-log-level=2",), "debug", False, id="zap's number"),
        pytest.param(("--zap-log-level=error",), "error", False, id="zap's name"),
        pytest.param(("--zap-log-level=INFO",), "info", False, id="zap's name in any case"),
        pytest.param(("--zap-log-level=panic",), "critical", False, id="zap's highest"),
    ],
)
def test_log_settings_follow_zaps_flags(arguments: tuple[str, ...], level: str, json: bool) -> None:
    found = options(*arguments)
    assert (found.log_level, found.log_json) == (level, json)


def test_a_lab_keeps_nothing_and_applies_nothing_by_default() -> None:
    lab, operator = parse_standalone((), {})
    assert lab == StandaloneOptions(manifests=None, prune=False, data_dir=None, api_port=6443, kubeconfig_out=None)
    assert operator == parse((), {})


def test_a_lab_takes_the_operators_flags_too() -> None:
    arguments = ("-manifests", "m", "--boot-server-address=:1", "--prune", "--data-dir=d", "-api-port=0")
    lab, operator = parse_standalone((*arguments, "--kubeconfig-out", "k"), {"IPXE_SERVER_ADDRESS": "boot"})
    assert lab == StandaloneOptions(
        manifests=Path("m"), prune=True, data_dir=Path("d"), api_port=0, kubeconfig_out=Path("k")
    )
    assert (operator.boot_server_address, operator.ipxe_service_url) == (":1", "http://boot:5000")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        pytest.param(("--kubeconfig=x",), "standalone mode has an API server of its own", id="another API server"),
        pytest.param(("--api-port=65536",), "'65536' is no port", id="no port"),
        pytest.param(("--manifest=x",), "unrecognized arguments: --manifest=x", id="unknown flag"),
    ],
)
def test_a_wrong_flag_of_a_lab_is_one_line(
    arguments: tuple[str, ...], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_standalone(arguments, {})
    assert ended.value.code == 2
    words = capsys.readouterr().err
    assert reason in words
    assert words.endswith("; see boot-operator standalone --help\n")
    assert words.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        pytest.param({"health_probe_bind_address": "x"}, "--health-probe-bind-address", id="probes"),
        pytest.param({"debug_bind_address": "x"}, "--debug-bind-address", id="debug"),
        pytest.param(
            {"metrics_server": MetricsServerOptions(bind_address="x")}, "--metrics-bind-address", id="metrics"
        ),
        pytest.param(
            {
                "metrics_server": MetricsServerOptions(
                    bind_address="127.0.0.1:0", secure_serving=True, cert_dir=Path("/nowhere")
                )
            },
            "--metrics-cert-path",
            id="certificate",
        ),
    ],
)
async def test_messages_of_the_library_name_the_flags(arguments: dict[str, Any], flag: str) -> None:
    with pytest.raises((ListenError, CertificateError)) as error:
        Manager(InMemoryAPI().transport(), **arguments)
    assert f"({flag})" in in_flags(str(error.value))
    assert "--" not in str(error.value)


async def test_a_missing_kubeconfig_is_named_with_the_flag(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as error:
        await load_config(str(tmp_path / "missing"))
    assert "(from --kubeconfig) does not exist" in in_flags(str(error.value))
