"""Who may ask the metrics server: authentication and authorisation by the API server."""

from __future__ import annotations

import structlog
from tornado.httputil import HTTPServerRequest

from controller_runtime.client import Client
from controller_runtime.manager.endpoints import TEXT, Answer, Handler
from controller_runtime.manager.reviews import ReviewError, Reviews

log = structlog.get_logger(__name__)


def with_authentication_and_authorization(client: Client, handler: Handler) -> Handler:
    """A handler that asks another one only for those who may.

    A request needs a bearer token that the API server accepts, and its owner the right to the path: a rule with
    `nonResourceURLs` and the method in lower case as its verb. No client is anonymous, and client certificates do not
    count. Otherwise the answers are 401 `Unauthorized`, 403 `Authorization denied for user X`, and 500 where the API
    server gives no answer.

    Args:
        client: see `Reviews`.
        handler: what is protected.
    """
    reviews = Reviews(client)

    async def answer(request: HTTPServerRequest) -> Answer:
        refusal = await _refusal(reviews, request)
        if refusal is None:
            return await handler(request)
        status, text = refusal
        log.debug("a request was refused", path=request.path, status=status, reason=text)
        return Answer(status, TEXT, f"{text}\n".encode())

    return answer


async def _refusal(reviews: Reviews, request: HTTPServerRequest) -> tuple[int, str] | None:
    """Status and text for one who may not; None for one who may."""
    token = bearer_token(request.headers.get("Authorization", ""))
    if not token:
        return 401, "Unauthorized"
    try:
        user = await reviews.user_of(token)
    except ReviewError:
        return 500, "Authentication failed"
    if user is None:
        return 401, "Unauthorized"
    try:
        allowed = await reviews.allows(user, str(request.method).lower(), request.path)
    except ReviewError:
        return 500, f"Authorization for user {user.username} failed"
    return None if allowed else (403, f"Authorization denied for user {user.username}")


def bearer_token(header: str) -> str:
    """The token of an `Authorization` header; empty if it has none."""
    scheme, _, token = header.strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
