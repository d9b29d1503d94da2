"""Entry point of `boot-operator`."""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import sys

import structlog
import uvloop

from boot_operator import flags
from boot_operator.operator import run
from boot_operator.standalone.errors import StandaloneError
from controller_runtime import log as logging_setup
from controller_runtime.certificates import CertificateError
from controller_runtime.client import ConfigError
from controller_runtime.manager import ListenError, run_until_signal

MOST_FILES = 1 << 15
"""What the process takes of the files that it may open: a connection for each of 20,000 machines, and some more."""

log = structlog.get_logger("boot_operator")


def main() -> None:
    """Runs the operator until a signal; exits with 1 and one line where it cannot run, with 2 for a wrong flag."""
    lab: flags.StandaloneOptions | None = None
    if sys.argv[1:2] == [flags.STANDALONE]:
        lab, options = flags.parse_standalone(sys.argv[2:], os.environ)
    else:
        options = flags.parse(sys.argv[1:], os.environ)
    allow_many_files()
    logging_setup.configure(level=logging.getLevelNamesMapping()[options.log_level.upper()], json=options.log_json)
    check_level, *others = structlog.get_config()["processors"]
    structlog.configure(processors=[check_level, purposes_in_flags, *others])
    try:
        uvloop.run(run_until_signal(run(options) if lab is None else _run_standalone(lab, options)))
    except (CertificateError, ConfigError, ListenError, StandaloneError) as error:
        sys.exit(f"boot-operator: {flags.in_flags(str(error))}")
    except asyncio.CancelledError:
        sys.exit("boot-operator: cancelled")
    except Exception:
        log.exception("the operator failed")
        sys.exit(1)


def purposes_in_flags(_: object, __: str, line: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Names the flags where the library's log lines say what listens somewhere."""
    if isinstance(purpose := line.get("purpose"), str):
        line["purpose"] = flags.in_flags(purpose)
    return line


def allow_many_files() -> None:
    """Raises the soft limit of open files, usually 1024, towards the hard one, as Go programs do by themselves."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _run_standalone(lab: flags.StandaloneOptions, options: flags.Options) -> None:
    # An operator in a cluster has no use for an API server, and does not load one.
    from boot_operator.standalone.lab import run_lab

    await run_lab(lab, options)


if __name__ == "__main__":
    main()
