"""Reading wrk's report."""

from __future__ import annotations

import pytest

from bench.storm import Load, read_wrk

REPORT = """\
Running 20s test @ http://127.0.0.1:8082
  2 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency    21.99ms   7.55ms 137.88ms   {of_latency}
    Req/Sec     1.46k   219.51     1.86k    {of_rate}
  Latency Distribution
     50%  980.00us
     75%   24.20ms
     90%   30.20ms
     99%    1.28s
  58341 requests in 20.03s, 41.51MB read
{errors}Requests/sec:   2912.51
Transfer/sec:      2.07MB
"""


@pytest.mark.parametrize(
    ("of_latency", "of_rate"),
    [
        pytest.param("75.12%", "71.13%", id="other digits"),
        pytest.param("75.99%", "71.50%", id="digits of percentiles"),
    ],
)
def test_percentiles_are_those_of_the_distribution(of_latency: str, of_rate: str) -> None:
    report = REPORT.format(of_latency=of_latency, of_rate=of_rate, errors="")
    assert read_wrk(report) == Load(requests_per_second=2912.51, p50=0.98, p99=1280.0, errors="")


def test_errors_are_kept() -> None:
    errors = "  Socket errors: connect 0, read 3, write 0, timeout 1\n  Non-2xx or 3xx responses: 7\n"
    load = read_wrk(REPORT.format(of_latency="75.99%", of_rate="71.50%", errors=errors))
    assert load.errors == "Socket errors: connect 0, read 3, write 0, timeout 1; Non-2xx or 3xx responses: 7"


def test_what_is_no_report_is_an_error_that_quotes_it() -> None:
    with pytest.raises(ValueError, match=r"(?s)has no line .*unable to connect"):
        read_wrk("unable to connect to 127.0.0.1:8082\n")
