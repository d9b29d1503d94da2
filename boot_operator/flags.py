"""The flags of `boot-operator`: names, defaults and forms of the Go operator, so that existing manifests keep working.

As with Go's flag package one dash or two may be written, a value follows `=` or a blank, and a switch may be given a
value after `=` alone (`--metrics-secure=false`).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

CONTROLLERS = ("ipxebootconfig", "httpbootconfig")
"""Controllers that there are; all of them run unless `--controllers` says otherwise."""
_CONTROLLERS_TO_COME = ("serverbootconfigpxe", "serverbootconfighttp")
"""Names of the Go operator that `--controllers` accepts although nothing runs under them here."""

STANDALONE = "standalone"
"""First word of a command line that runs the operator with an API server of its own."""

_FLAG_OF_ARGUMENT = {
    "the argument kubeconfig": "--kubeconfig",
    "(health_probe_bind_address)": "(--health-probe-bind-address)",
    "(debug_bind_address)": "(--debug-bind-address)",
    "(metrics_server.bind_address)": "(--metrics-bind-address)",
    "(metrics_server.cert_dir)": "(--metrics-cert-path)",
}
"""How messages of the library name its arguments, and the flags that become those here."""

_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})
_FALSE = frozenset({"0", "f", "F", "false", "FALSE", "False"})
_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the flags and the environment ask for, checked."""

    kubeconfig: str | None
    controllers: frozenset[str]
    namespaces: tuple[str, ...]
    ipxe_service_url: str
    """Base of the URLs in iPXE scripts; empty: taken from each request."""
    default_httpboot_uki_url: str
    metrics_bind_address: str
    metrics_secure: bool
    """TLS, and the API server is asked who may scrape."""
    metrics_cert_path: Path | None
    """Directory of the metrics' certificate and key; None makes a certificate in memory."""
    metrics_cert_name: str
    metrics_cert_key: str
    debug_bind_address: str
    health_probe_bind_address: str
    boot_server_address: str
    image_proxy_server_address: str
    leader_elect: bool
    leader_election_namespace: str
    max_staleness: float
    log_json: bool
    log_level: str
    without_effect: tuple[str, ...]
    """Flags of the Go operator that were given and that nothing here depends on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandaloneOptions:
    """What standalone mode is asked for beyond the operator's own flags."""

    manifests: Path | None
    """Directory of manifests to apply; None applies nothing."""
    prune: bool
    """Whether objects go that the manifests named and name no more."""
    data_dir: Path | None
    """Where the API server keeps its objects; None keeps them in memory."""
    api_port: int
    """Of the API server on 127.0.0.1; 0 takes a free one."""
    kubeconfig_out: Path | None
    """File that a kubeconfig of the API server's administrator is written to."""


class _Parser(argparse.ArgumentParser):
    """Ends with status 2 and one line, without the whole usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"boot-operator: {message}; see {self.prog} --help\n")


def _switch(text: str) -> bool:
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    raise argparse.ArgumentTypeError(f"{text!r} is neither true nor false")


def duration(text: str) -> float:
    """Seconds from a duration in Go's form (`10m`, `1h30m`, `500ms`).

    Raises:
        argparse.ArgumentTypeError: it has another form.
    """
    if not _DURATION.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; write for example 30s, 10m or 1h30m")
    return sum(float(number) * _DURATION_UNITS[unit] for number, unit in _DURATION_PART.findall(text))


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def enabled_controllers(text: str) -> frozenset[str]:
    """The controllers that a value of `--controllers` switches on.

    `a,b` runs just those, `*` all, `-a` (alone or after `*`) all but a.

    Raises:
        argparse.ArgumentTypeError: a name is unknown.
    """
    names = _names(text)
    known = {"*"} | {f"{sign}{name}" for name in (*CONTROLLERS, *_CONTROLLERS_TO_COME) for sign in ("", "-")}
    if unknown := sorted(set(names) - known):
        raise argparse.ArgumentTypeError(f"unknown controller {unknown[0]!r}; there are: {', '.join(CONTROLLERS)}")
    chosen = {name for name in names if not name.startswith("-")}
    switched_off = {name.removeprefix("-") for name in names if name.startswith("-")}
    if not chosen or "*" in chosen:
        chosen = set(CONTROLLERS)
    return frozenset((chosen - switched_off) & set(CONTROLLERS))


def _controllers(text: str) -> tuple[frozenset[str], tuple[str, ...]]:
    """Those that run, and those that were asked for by name and do not exist here."""
    return enabled_controllers(text), tuple(name for name in _names(text) if name in _CONTROLLERS_TO_COME)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port; write a number from 0 to 65535")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="boot-operator",
        description="Answers machines that boot over the network, from IPXEBootConfigs and HTTPBootConfigs.",
        epilog=f"For a lab without a cluster: boot-operator {STANDALONE} --help",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--kubeconfig",
        metavar="FILE",
        help="how to reach the API server (default: $KUBECONFIG, the pod, ~/.kube/config)",
    )
    _add_operator_flags(parser)
    return parser


def _standalone_parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=f"boot-operator {STANDALONE}",
        usage="%(prog)s [FLAG ...]",
        description="The operator with a small Kubernetes API server of its own, for labs without a cluster. The kinds "
        "of the operator are installed; what machines boot is described by a directory of manifests, or by kubectl.",
        epilog="The API server listens on 127.0.0.1 with TLS and a token, and ends with the operator. It runs no pods.",
        allow_abbrev=False,
    )
    parser.add_argument("--kubeconfig", help=argparse.SUPPRESS)  # refused, in words of its own
    lab = parser.add_argument_group("the lab")
    lab.add_argument(
        "--manifests",
        type=Path,
        metavar="DIR",
        help="apply the *.yaml, *.yml and *.json files of DIR at the start, and each one again when it changes "
        "(default: none)",
    )
    lab.add_argument(
        "--prune",
        type=_switch,
        nargs="?",
        const=True,
        default=False,
        metavar="BOOL",
        help="delete objects that the files of DIR named and name no more (default: false, they stay)",
    )
    lab.add_argument(
        "--data-dir", type=Path, metavar="DIR", help="keep all objects in DIR across restarts (default: in memory)"
    )
    lab.add_argument(
        "--api-port",
        type=_port,
        default=6443,
        metavar="N",
        help="port of the API server on 127.0.0.1; 0 takes a free one (default: %(default)s)",
    )
    lab.add_argument(
        "--kubeconfig-out",
        type=Path,
        metavar="FILE",
        help="write a kubeconfig for kubectl to FILE, which you alone can read (default: none)",
    )
    _add_operator_flags(parser.add_argument_group("the operator"))
    return parser


def _add_operator_flags(to: argparse.ArgumentParser | argparse._ArgumentGroup) -> None:
    add = to.add_argument

    def switch(name: str, default: bool, text: str) -> None:
        add(name, type=_switch, nargs="?", const=True, default=default, metavar="BOOL", help=text)

    add("--namespaces", type=_names, default=(), metavar="A,B", help="watch these namespaces only (default: all)")
    add("--controllers", type=_controllers, default="*", metavar="LIST",
        help=f"controllers to run: a,b or *,-a; there are: {', '.join(CONTROLLERS)} (default: *)")  # fmt: skip
    add(
        "--boot-server-address", default=":8082", metavar="ADDR", help="where machines boot from (default: %(default)s)"
    )
    add("--image-proxy-server-address", default=":8083", metavar="ADDR",
        help="second address with the same answers (default: %(default)s)")  # fmt: skip
    add(
        "--ipxe-service-url", default="", metavar="URL", help="base of the URLs in iPXE scripts (default: as requested)"
    )
    add("--ipxe-service-protocol", default="http", metavar="P", help="with $IPXE_SERVER_ADDRESS (default: %(default)s)")
    add("--ipxe-service-port", type=int, default=5000, metavar="N", help="with $IPXE_SERVER_ADDRESS (default: 5000)")
    add("--default-httpboot-uki-url", default="", metavar="URL", help="UKI for machines without an HTTPBootConfig")
    add("--health-probe-bind-address", default=":8081", metavar="ADDR",
        help="/healthz and /readyz; 0 is off (default: %(default)s)")  # fmt: skip
    add("--metrics-bind-address", default=":8080", metavar="ADDR", help="/metrics; 0 is off (default: %(default)s)")
    switch("--metrics-secure", True, "metrics over TLS, for those whom the API server lets read them (default: true)")
    add("--metrics-cert-path", default="", metavar="DIR",
        help="their certificate and key, read again when they change (default: a self-signed one)")  # fmt: skip
    add("--metrics-cert-name", default="tls.crt", metavar="NAME", help="its certificate's file (default: %(default)s)")
    add("--metrics-cert-key", default="tls.key", metavar="NAME", help="its key's file (default: %(default)s)")
    add("--debug-bind-address", default="0", metavar="ADDR",
        help="/debug/ (tasks, memory, queues), for all who can reach it; 0 is off (default: 0)")  # fmt: skip
    switch("--leader-elect", False, "run controllers on one replica at a time (default: false)")
    add("--leader-election-namespace", default="", metavar="NS", help="namespace of the Lease (default: the pod's)")
    add("--max-staleness", type=duration, default=600.0, metavar="DUR",
        help="unready after this long without the API server (default: 10m)")  # fmt: skip
    switch("--zap-devel", True, "text on a terminal's log, else JSON lines (default: true)")
    add("--zap-encoder", choices=("json", "console"), default=None, help="form of log lines")
    add("--zap-log-level", default=None, metavar="LEVEL", help="debug, info, warn or error (default: info)")
    for name in _WITHOUT_EFFECT:
        if name == "--enable-http2":  # the one switch among them
            add(name, default=None, nargs="?", const="true", help=argparse.SUPPRESS)
        else:
            add(name, default=None, help=argparse.SUPPRESS)


_WITHOUT_EFFECT = (
    "--architecture",
    "--allowed-registries",
    "--default-httpboot-oci-image",
    "--image-server-url",
    "--enable-http2",
    "--zap-stacktrace-level",
    "--zap-time-encoding",
)


def parse(arguments: Sequence[str], environment: Mapping[str, str]) -> Options:
    """Reads the command line; ends the process with status 2 and one line where it is wrong, with 0 for `--help`.

    Args:
        arguments: without the program's name.
        environment: `IPXE_SERVER_ADDRESS` is read from it, as in the Go operator.
    """
    parser = _parser()
    return _options(parser, parser.parse_args(_normalised(parser, arguments)), environment)


def parse_standalone(arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[StandaloneOptions, Options]:
    """Reads the command line of standalone mode, which has the operator's flags too; ends the process as `parse` does.

    Args:
        arguments: what follows the word `standalone`.
        environment: see `parse`.
    """
    parser = _standalone_parser()
    values = parser.parse_args(_normalised(parser, arguments))
    if values.kubeconfig:
        parser.error("argument --kubeconfig: standalone mode has an API server of its own; leave the flag out, or run "
                     "boot-operator without standalone")  # fmt: skip
    lab = StandaloneOptions(
        manifests=values.manifests,
        prune=values.prune,
        data_dir=values.data_dir,
        api_port=values.api_port,
        kubeconfig_out=values.kubeconfig_out,
    )
    return lab, _options(parser, values, environment)


def _options(parser: argparse.ArgumentParser, values: Any, environment: Mapping[str, str]) -> Options:
    given = [name for name in _WITHOUT_EFFECT if getattr(values, _attribute(name)) is not None]
    controllers, missing = values.controllers
    given += [f"--controllers={name}" for name in missing]
    return Options(
        kubeconfig=values.kubeconfig or None,
        controllers=controllers,
        namespaces=values.namespaces,
        ipxe_service_url=_service_url(values, environment),
        default_httpboot_uki_url=values.default_httpboot_uki_url,
        metrics_bind_address=values.metrics_bind_address,
        metrics_secure=values.metrics_secure,
        metrics_cert_path=Path(values.metrics_cert_path) if values.metrics_cert_path else None,
        metrics_cert_name=values.metrics_cert_name,
        metrics_cert_key=values.metrics_cert_key,
        debug_bind_address=values.debug_bind_address,
        health_probe_bind_address=values.health_probe_bind_address,
        boot_server_address=values.boot_server_address,
        image_proxy_server_address=values.image_proxy_server_address,
        leader_elect=values.leader_elect,
        leader_election_namespace=values.leader_election_namespace,
        max_staleness=values.max_staleness,
        log_json=_log_json(values),
        log_level=_log_level(parser, values.zap_log_level),
        without_effect=tuple(given),
    )


def _normalised(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> list[str]:
    """Every flag with two dashes and its value after `=`, so that a value may begin with a dash as in Go."""
    actions = {option: action for action in parser._actions for option in action.option_strings}  # noqa: SLF001
    rest = list(arguments)
    normalised = []
    while rest:
        argument = rest.pop(0)
        if re.match(r"-[a-z][a-z0-9-]+(=|$)", argument):
            argument = f"-{argument}"
        action = actions.get(argument)
        if action is not None and action.nargs is None and rest:
            argument = f"{argument}={rest.pop(0)}"
        elif action is not None and action.nargs == "?" and rest and not rest[0].startswith("-"):
            # For Go the switch is on then, and this argument and all flags after it count for nothing.
            parser.error(f"argument {argument}: the value of a switch follows '=', write {argument}={rest[0]}")
        normalised.append(argument)
    return normalised


def in_flags(message: str) -> str:
    """A message of the library, whose arguments users know as flags."""
    for argument, flag in _FLAG_OF_ARGUMENT.items():
        message = message.replace(argument, flag)
    return message


def _attribute(name: str) -> str:
    return name.removeprefix("--").replace("-", "_")


def _service_url(values: Any, environment: Mapping[str, str]) -> str:
    if values.ipxe_service_url:
        return str(values.ipxe_service_url).rstrip("/")
    host = environment.get("IPXE_SERVER_ADDRESS", "")
    return f"{values.ipxe_service_protocol}://{host}:{values.ipxe_service_port}" if host else ""


def _log_json(values: Any) -> bool:
    return values.zap_encoder == "json" if values.zap_encoder else not values.zap_devel


def _log_level(parser: argparse.ArgumentParser, text: str | None) -> str:
    """Zap's names in any case, and its numbers: 0 is info, 1 and more is debug."""
    if text is None:
        return "info"
    text = text.lower()
    if text.isdecimal():
        return "info" if text == "0" else "debug"
    names = {"warn": "warning", "panic": "critical"} | {name: name for name in ("debug", "info", "warning", "error")}
    if text not in names:
        parser.error(f"argument --zap-log-level: {text!r} is no level; write debug, info, warn or error")
    return names[text]
