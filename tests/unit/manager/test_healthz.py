"""Probes: what a request gets, from the checks that are there."""

import pytest

from controller_runtime.manager.healthz import Check, CheckFailedError, ping, probe


def broken() -> None:
    raise CheckFailedError("the cable is out")


CHECKS: dict[str, Check] = {"ping": ping, "cable": broken}


@pytest.mark.parametrize(
    ("checks", "path", "query", "status", "body"),
    [
        pytest.param({"ping": ping}, "", "", 200, "ok", id="all well"),
        pytest.param({"ping": ping}, "/", "", 200, "ok", id="trailing slash"),
        pytest.param({"ping": ping}, "", "verbose", 200, "[+]ping ok\nreadyz check passed\n", id="verbose"),
        pytest.param(
            CHECKS, "", "", 500, "[-]cable failed: the cable is out\n[+]ping ok\nreadyz check failed\n", id="failed"
        ),
        pytest.param(CHECKS, "", "exclude=cable", 200, "ok", id="the failing one excluded"),
        pytest.param(
            CHECKS,
            "",
            "exclude=cable&verbose=1",
            200,
            "[+]cable excluded: ok\n[+]ping ok\nreadyz check passed\n",
            id="excluded, verbose",
        ),
        pytest.param(
            {"ping": ping},
            "",
            "exclude=cabel&verbose",
            200,
            '[+]ping ok\nwarn: some health checks cannot be excluded: no matches for "cabel"\nreadyz check passed\n',
            id="unknown one excluded",
        ),
        pytest.param(CHECKS, "/ping", "", 200, "ok", id="one check that passes"),
        pytest.param(CHECKS, "/cable", "", 500, "internal server error: the cable is out\n", id="one that fails"),
        pytest.param(CHECKS, "/x", "", 404, "there is no check named 'x'; there are: cable, ping\n", id="unknown"),
    ],
)
def test_a_probe_answers_as_kubernetes_probes_do(
    checks: dict[str, Check], path: str, query: str, status: int, body: str
) -> None:
    assert probe("readyz", checks, path, query) == (status, body)
