"""Reviews of tokens and requests: how often the API server is asked, and what is remembered. On virtual time."""

from __future__ import annotations

import asyncio
import gc
import itertools
import types
from typing import Any

import pytest
from structlog.testing import capture_logs

from controller_runtime.api.authentication_v1 import TokenReview, TokenReviewSpec, UserInfo
from controller_runtime.api.authorization_v1 import SubjectAccessReview
from controller_runtime.apimachinery import to_json_value
from controller_runtime.client import Client, ConnectionLostError
from controller_runtime.envtest import Failure
from controller_runtime.manager.reviews import AnswerCache, ReviewError, Reviews
from tests.unit.manager.review_api import SCRAPER, ReviewApi

pytestmark = pytest.mark.looptime

PROMETHEUS = UserInfo(
    username=SCRAPER,
    uid="7",
    groups=("system:serviceaccounts", "system:authenticated"),
    extra={"authentication.kubernetes.io/credential-id": ("JTI=1",)},
)


@pytest.fixture
def api() -> ReviewApi:
    return ReviewApi()


@pytest.fixture
def token(api: ReviewApi) -> str:
    return api.tokens["scraper"]


@pytest.fixture
def reviews(api: ReviewApi) -> Reviews:
    return Reviews(Client(api.net))


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_token_is_its_owners(reviews: Reviews, api: ReviewApi, token: str) -> None:
    review = {"spec": {"token": token}}
    owner = api.request("POST", TokenReview.resource.path(), review)["status"]["user"]
    assert owner["username"] == SCRAPER
    assert owner.keys() == {"username", "uid", "groups", "extra"}
    assert to_json_value(await reviews.user_of(token)) == owner
    assert [asked["spec"] for asked in api.asked(TokenReview)] == [{"token": token}]


async def test_all_that_is_known_of_the_user_is_asked_about(reviews: Reviews, api: ReviewApi) -> None:
    assert await reviews.allows(PROMETHEUS, "get", "/metrics")
    assert [review["spec"] for review in api.asked(SubjectAccessReview)] == [
        {
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
            "user": PROMETHEUS.username,
            "groups": list(PROMETHEUS.groups),
            "extra": {"authentication.kubernetes.io/credential-id": ["JTI=1"]},
            "uid": "7",
        }
    ]


@pytest.mark.parametrize(
    ("text", "accepted"),
    [
        pytest.param("{scraper}", True, id="a token's owner"),
        pytest.param("garbage", False, id="a token that is not accepted"),
    ],
)
async def test_what_became_of_a_token_is_remembered_for_a_minute(
    reviews: Reviews, api: ReviewApi, text: str, accepted: bool
) -> None:
    token = text.format(**api.tokens)
    first = await reviews.user_of(token)
    assert (first is not None) is accepted
    await asyncio.sleep(59)
    assert await reviews.user_of(token) == first
    assert len(api.asked(TokenReview)) == 1
    await asyncio.sleep(1)
    assert await reviews.user_of(token) == first
    assert len(api.asked(TokenReview)) == 2


@pytest.mark.parametrize(
    ("path", "allowed", "seconds"),
    [
        pytest.param("/metrics", True, 300, id="allowed: 5 minutes"),
        pytest.param("/other", False, 30, id="denied: 30 seconds"),
    ],
)
async def test_a_verdict_is_remembered(
    reviews: Reviews, api: ReviewApi, path: str, allowed: bool, seconds: float
) -> None:
    assert await reviews.allows(PROMETHEUS, "get", path) is allowed
    await asyncio.sleep(seconds - 1)
    assert await reviews.allows(PROMETHEUS, "get", path) is allowed
    assert len(api.asked(SubjectAccessReview)) == 1
    await asyncio.sleep(1)
    await reviews.allows(PROMETHEUS, "get", path)
    assert len(api.asked(SubjectAccessReview)) == 2


@pytest.mark.parametrize(
    ("user", "verb", "path"),
    [
        pytest.param(UserInfo(username="mallory"), "get", "/metrics", id="another user"),
        pytest.param(UserInfo(username=PROMETHEUS.username), "get", "/metrics", id="the same name in other groups"),
        pytest.param(PROMETHEUS, "head", "/metrics", id="another verb"),
        pytest.param(PROMETHEUS, "get", "/metrics/", id="another path"),
    ],
)
async def test_a_verdict_is_about_one_user_verb_and_path(
    reviews: Reviews, api: ReviewApi, user: UserInfo, verb: str, path: str
) -> None:
    assert await reviews.allows(PROMETHEUS, "get", "/metrics")
    await reviews.allows(user, verb, path)
    assert len(api.asked(SubjectAccessReview)) == 2


async def test_however_many_ask_one_review_is_under_way(reviews: Reviews, api: ReviewApi, token: str) -> None:
    api.gate.clear()
    asking = [asyncio.create_task(reviews.user_of(token)) for _ in range(50)]
    await asyncio.sleep(1)
    assert len(api.net.calls) == 1
    api.gate.set()
    users = await asyncio.gather(*asking)
    assert [user.username for user in users if user is not None] == [SCRAPER] * 50
    assert len(api.net.calls) == 1


async def test_a_flood_of_tokens_does_not_take_all_connections(reviews: Reviews, api: ReviewApi, token: str) -> None:
    api.gate.clear()
    flood = [asyncio.create_task(reviews.user_of(f"wrong-{number}")) for number in range(50)]
    flood.append(asyncio.create_task(reviews.user_of(token)))
    await asyncio.sleep(1)
    assert len(api.net.calls) == 10
    api.gate.set()
    *others, owner = await asyncio.gather(*flood)
    assert others == [None] * 50
    assert owner is not None


async def test_those_who_wait_share_a_failure_and_the_next_one_asks_again(
    reviews: Reviews, api: ReviewApi, token: str
) -> None:
    api.net.fail("create", 403, times=1)
    api.gate.clear()
    asking = [asyncio.create_task(reviews.user_of(token)) for _ in range(3)]
    await asyncio.sleep(1)
    api.gate.set()
    outcomes = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [ReviewError] * 3
    assert len(api.net.calls) == 1
    assert await reviews.user_of(token) is not None


async def test_when_the_one_who_asks_is_cancelled_another_one_asks(
    reviews: Reviews, api: ReviewApi, token: str
) -> None:
    api.gate.clear()
    first, second = (asyncio.create_task(reviews.user_of(token)) for _ in range(2))
    await asyncio.sleep(1)
    first.cancel()
    await asyncio.sleep(1)
    assert len(api.net.calls) == 2
    api.gate.set()
    assert await second is not None
    assert first.cancelled()


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(ConnectionLostError("reset"), id="connection lost"),
        pytest.param(500, id="internal error"),
        pytest.param(429, id="too many requests"),
        pytest.param(503, id="unavailable"),
    ],
)
async def test_passing_failures_are_tried_again_with_growing_waits(
    reviews: Reviews, api: ReviewApi, token: str, failure: int | Exception
) -> None:
    api.net.fail("create", failure, times=4)
    assert await reviews.user_of(token) is not None
    times = [call.time for call in api.net.calls]
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(waits) == 4
    for wait, shortest in zip(waits, (0.5, 0.75, 1.125, 1.6875), strict=True):
        assert shortest <= wait <= shortest * 1.2 + 0.01


@pytest.mark.parametrize(
    ("failure", "attempts"),
    [
        pytest.param(500, 5, id="after five attempts"),
        pytest.param(403, 1, id="at once where another attempt is in vain"),
    ],
)
async def test_a_review_fails(reviews: Reviews, api: ReviewApi, token: str, failure: int, attempts: int) -> None:
    api.net.fail("create", failure)
    with pytest.raises(ReviewError):
        await reviews.user_of(token)
    assert len(api.net.calls) == attempts


async def test_no_answer_within_ten_seconds_is_a_failure(reviews: Reviews, api: ReviewApi, token: str) -> None:
    api.gate.clear()
    before = now()
    with pytest.raises(ReviewError, match=r"cannot create tokenreviews.authentication.k8s.io: no answer within 10 s"):
        await reviews.user_of(token)
    assert now() - before == pytest.approx(10)


async def test_a_missing_right_to_review_is_one_log_line_that_names_the_rule(
    reviews: Reviews, api: ReviewApi, token: str
) -> None:
    denial = 'tokenreviews is forbidden: User "op" cannot create resource "tokenreviews" in API group ...'
    api.net.fail("create", Failure(403, message=denial), times=3)
    with capture_logs() as lines:
        for _ in range(3):
            with pytest.raises(ReviewError):
                await reviews.user_of(token)
        await reviews.user_of(token)
    errors = [line["error"] for line in lines if line["log_level"] == "error"]
    assert len(errors) == 1
    rule = '{apiGroups: ["authentication.k8s.io"], resources: ["tokenreviews"], verbs: [create]}'
    assert rule in errors[0]


async def test_after_a_success_the_next_failure_is_logged_again(reviews: Reviews, api: ReviewApi) -> None:
    with capture_logs() as lines:
        for token in ("first", "second"):
            api.net.fail("create", 403, times=1)
            with pytest.raises(ReviewError):
                await reviews.user_of(token)
            await reviews.user_of(token)
    assert len([line for line in lines if line["log_level"] == "error"]) == 2


def holds(holder: Any, text: str, seen: set[int]) -> bool:
    """Whether the text stands anywhere in what an object refers to."""
    if id(holder) in seen or isinstance(holder, types.ModuleType | types.FrameType | type):
        return False
    seen.add(id(holder))
    if isinstance(holder, str | bytes):
        return text in (holder if isinstance(holder, str) else holder.decode(errors="replace"))
    return any(holds(one, text, seen) for one in gc.get_referents(holder))


async def test_no_token_stays_in_memory_or_goes_to_the_log(api: ReviewApi) -> None:
    token = api.tokens["scraper"]
    reviews = Reviews(Client(api.net))
    with capture_logs() as lines:
        await reviews.user_of(token)
        api.net.fail("create", 403, times=1)
        with pytest.raises(ReviewError):
            await reviews.user_of(token + "2")
    assert len(api.net.calls) == 2
    api.net.calls.clear()
    api.tokens.clear()
    assert not holds([reviews._users, reviews._verdicts], token, set())
    assert token not in str(lines)
    assert token not in repr(TokenReview(spec=TokenReviewSpec(token=token)))


async def test_the_least_recently_used_answer_goes_first() -> None:
    cache = AnswerCache[int](lambda _: 60)
    asked = []

    async def get(number: int) -> int:
        async def ask() -> int:
            asked.append(number)
            return number

        return await cache.get(number.to_bytes(4, "big"), ask)

    for number in range(8192):
        await get(number)
    await get(0)  # used again
    await get(8192)  # one too many
    asked.clear()
    assert (await get(0), asked) == (0, [])
    assert (await get(1), asked) == (1, [1])
