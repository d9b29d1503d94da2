"""Who somebody is and what they may do, as the API server says; its answers are remembered for a while."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import msgspec
import structlog

from controller_runtime.api.authentication_v1 import TokenReview, TokenReviewSpec, UserInfo
from controller_runtime.api.authorization_v1 import (
    NonResourceAttributes,
    SubjectAccessReview,
    SubjectAccessReviewSpec,
)
from controller_runtime.client import (
    Client,
    ClientError,
    InternalError,
    ServerTimeoutError,
    ServiceUnavailableError,
    TooManyRequestsError,
    TransportError,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")
ReviewT = TypeVar("ReviewT", TokenReview, SubjectAccessReview)

# Times and numbers of controller-runtime's filter.
_TOKEN_SECONDS = 60.0
_ALLOWED_SECONDS = 300.0
_DENIED_SECONDS = 30.0
_MOST_ANSWERS = 8192
_REVIEW_SECONDS = 10.0
_ATTEMPTS = 5
_MOST_AT_ONCE = 10
"""Requests under way: whoever reaches the port, with whatever tokens, must not take all connections
that the transport has from the controllers."""
_FIRST_WAIT_SECONDS = 0.5
_WAIT_FACTOR = 1.5
_WAIT_JITTER = 0.2

_PASSING = (TransportError, InternalError, TooManyRequestsError, ServiceUnavailableError, ServerTimeoutError)
"""Failures that another attempt may not meet."""


class ReviewError(Exception):
    """The API server gave no answer; the message says why."""


class Reviews:
    """Reviews tokens and requests.

    Hits and denials are remembered: a token's for 1 minute, what is allowed for 5, what is denied for 30 s. Failures
    are not. Of one question there is one request under way, however many ask it, and ten altogether; further ones wait
    for their turn, which counts into the time limit.

    Args:
        client: as whom reviews are created; needs `create` on tokenreviews and subjectaccessreviews.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._users = AnswerCache[UserInfo | None](lambda _: _TOKEN_SECONDS)
        self._verdicts = AnswerCache[bool](lambda allowed: _ALLOWED_SECONDS if allowed else _DENIED_SECONDS)
        self._salt = secrets.token_bytes(32)
        self._failing: set[type] = set()
        self._turns = asyncio.Semaphore(_MOST_AT_ONCE)

    async def user_of(self, token: str) -> UserInfo | None:
        """Whose token it is; None if the API server does not accept it.

        Raises:
            ReviewError: there was no answer within 10 s.
        """

        async def ask() -> UserInfo | None:
            status = (await self._create(TokenReview(spec=TokenReviewSpec(token=token)))).status
            if not status.authenticated:
                log.debug("a token was not accepted", reason=status.error)
                return None
            return status.user

        return await self._users.get(self._key(token.encode()), ask)

    async def allows(self, user: UserInfo, verb: str, path: str) -> bool:
        """Whether the user may do that.

        Args:
            user: from `user_of`.
            verb: HTTP method in lower case.
            path: one that stands for no object.

        Raises:
            ReviewError: there was no answer within 10 s.
        """
        question = SubjectAccessReviewSpec(
            non_resource_attributes=NonResourceAttributes(path=path, verb=verb),
            user=user.username,
            groups=user.groups,
            extra=user.extra,
            uid=user.uid,
        )

        async def ask() -> bool:
            status = (await self._create(SubjectAccessReview(spec=question))).status
            return status.allowed and not status.denied

        return await self._verdicts.get(self._key(msgspec.json.encode(question)), ask)

    def _key(self, question: bytes) -> bytes:
        """Stands for a question in memory, where nobody shall find a token."""
        return hmac.digest(self._salt, question, hashlib.sha256)

    async def _create(self, review: ReviewT) -> ReviewT:
        try:
            async with asyncio.timeout(_REVIEW_SECONDS):
                answered = await self._attempt(review)
        except ClientError as error:
            self._complain(review, str(error))
            raise ReviewError(str(error)) from error
        except TimeoutError as error:
            what = type(review).resource.qualified_plural
            self._complain(review, text := f"cannot create {what}: no answer within {_REVIEW_SECONDS:g} s")
            raise ReviewError(text) from error
        self._failing.discard(type(review))
        return answered

    async def _attempt(self, review: ReviewT) -> ReviewT:
        wait = _FIRST_WAIT_SECONDS
        for _ in range(_ATTEMPTS - 1):
            try:
                return await self._send(review)
            except _PASSING as error:
                log.debug("a review is tried again", error=str(error))
            await asyncio.sleep(wait * (1 + _WAIT_JITTER * random.random()))
            wait *= _WAIT_FACTOR
        return await self._send(review)

    async def _send(self, review: ReviewT) -> ReviewT:
        async with self._turns:
            return await self._client.create(review)

    def _complain(self, review: TokenReview | SubjectAccessReview, error: str) -> None:
        """Logs the first of a row of failures, as scrapers come several times a minute."""
        if type(review) not in self._failing:
            self._failing.add(type(review))
            log.error("requests are refused: the API server does not say who may make them", error=error)


class AnswerCache(Generic[T]):
    """Answers that are good for a while, at most 8192 of them: the one that was used least recently goes first.

    Args:
        lifetime: seconds that an answer is good for.
    """

    def __init__(self, lifetime: Callable[[T], float]) -> None:
        self._lifetime = lifetime
        self._answers: OrderedDict[bytes, tuple[float, T]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Future[T]] = {}

    async def get(self, key: bytes, ask: Callable[[], Awaitable[T]]) -> T:
        """The answer of that key: the one that is remembered, else that of `ask`.

        Whoever comes while it is being asked for waits, and gets that answer or that failure.

        Raises:
            Exception: what `ask` raised.
        """
        while True:
            remembered = self._answers.get(key)
            if remembered is not None and asyncio.get_running_loop().time() < remembered[0]:
                self._answers.move_to_end(key)
                return remembered[1]
            asking = self._asking.get(key)
            if asking is None:
                return await self._ask(key, ask)
            await asyncio.wait({asking})
            if not asking.cancelled():  # else the one who asked was cancelled, and another one has to
                return asking.result()

    async def _ask(self, key: bytes, ask: Callable[[], Awaitable[T]]) -> T:
        asking: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._asking[key] = asking
        try:
            answer = await ask()
            self._remember(key, answer)
            asking.set_result(answer)
        except Exception as error:
            asking.set_exception(error)
            asking.exception()  # nobody may be waiting for it
            raise
        finally:
            del self._asking[key]
            asking.cancel()  # for those who wait, if this one has been cancelled; without effect otherwise
        return answer

    def _remember(self, key: bytes, answer: T) -> None:
        self._answers[key] = (asyncio.get_running_loop().time() + self._lifetime(answer), answer)
        self._answers.move_to_end(key)
        if len(self._answers) > _MOST_ANSWERS:
            self._answers.popitem(last=False)
