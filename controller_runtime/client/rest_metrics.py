"""What a transport measures beyond the number of requests, if somebody has asked for it.

`rest_client_requests_total` is always there. The others cost some microseconds per request and a dozen series per verb
each, so they are off, as in controller-runtime, until `enable_rest_client_metrics` registers them.
"""

from __future__ import annotations

from prometheus_client import Counter

from controller_runtime.metrics import (
    REGISTRY,
    REST_OPT_IN,
    REST_RATE_LIMITER_DURATION,
    REST_REQUEST_DURATION,
    REST_REQUEST_RETRIES,
    REST_REQUEST_SIZE,
    REST_REQUESTS,
    REST_RESPONSE_SIZE,
)


class _OptIn:
    """Whether the optional metrics are on, for the whole process."""

    enabled = False

    def enable(self) -> None:
        if not self.enabled:
            for metric in REST_OPT_IN:
                REGISTRY.register(metric)
        self.enabled = True


_opt_in = _OptIn()


def enable_rest_client_metrics() -> None:
    """Measure all transports of this process, those that exist already too; may be called again.

    Registered are `rest_client_request_duration_seconds`, `rest_client_rate_limiter_duration_seconds`,
    `rest_client_request_size_bytes`, `rest_client_response_size_bytes` (by verb and host) and
    `rest_client_request_retries_total` (by code, verb and host). A verb is an HTTP method here, as in client-go.
    """
    _opt_in.enable()


class RequestMetrics:
    """Counts and measures the requests to one host, which is a label of all of them."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._counters: dict[tuple[str, str], Counter] = {}  # looking a child up costs more than counting

    def attempted(self, code: str, method: str) -> None:
        """A request was sent, or could not be; code is `<error>` without an answer."""
        counter = self._counters.get((code, method))
        if counter is None:
            counter = REST_REQUESTS.labels(code=code, method=method, host=self._host)
            self._counters[code, method] = counter
        counter.inc()

    def answered(self, method: str, request_bytes: int, response_bytes: int) -> None:
        """A complete answer came."""
        if _opt_in.enabled:
            REST_REQUEST_SIZE.labels(method, self._host).observe(request_bytes)
            REST_RESPONSE_SIZE.labels(method, self._host).observe(response_bytes)

    def waited(self, method: str, seconds: float) -> None:
        """The rate limit let a request through."""
        if _opt_in.enabled:
            REST_RATE_LIMITER_DURATION.labels(method, self._host).observe(seconds)

    def retried(self, code: str, method: str) -> None:
        """A request is sent again after an answer with that code."""
        if _opt_in.enabled:
            REST_REQUEST_RETRIES.labels(code, method, self._host).inc()

    def ended(self, method: str, seconds: float) -> None:
        """A request has its last answer, or its error."""
        if _opt_in.enabled:
            REST_REQUEST_DURATION.labels(method, self._host).observe(seconds)
