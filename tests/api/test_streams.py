"""Streams over HTTP: who may open one, what it shows, pages of them, where viewers connect."""

import asyncio

import pytest

from edge.api import streams
from edge.api.directory import StreamState
from schemas.refusals import Code
from tests.api.fakes import World
from tests.api.records import STREAM, comments

NEW = {"id": "demo", "creator": "carl", "title": "Démo"}


async def test_platform_opens_a_stream(here: World) -> None:
    """The command is in the log with its creator and title, and the answer shows what the log made of it."""
    here.opened(title="Démo", settings={"slow_mode_seconds": 3})
    answer = await here.client("platform", "ops")("POST", "/v1/streams", NEW)
    assert answer.status == 201
    assert answer.headers["location"] == "/v1/streams/demo"
    assert answer.json["creator"] == "carl"
    assert answer.json["slow_mode_seconds"] == 3
    [item] = here.kafka.items
    assert (item["type"], item["stream_id"], item["role"]) == ("open", "demo", "platform")
    assert item["command"]["settings"] == '{"creator": "carl", "title": "Démo"}'


async def test_answer_waits_until_the_stream_shows(here: World) -> None:
    """Who opens a stream can use it at once: the answer comes when Redis shows it."""
    task = asyncio.ensure_future(here.client("platform")("POST", "/v1/streams", NEW))
    while not here.kafka.items:
        await asyncio.sleep(0.001)
    assert not task.done()
    here.opened(title="Démo")
    assert (await task).json["created_at"] == here.directory.known[STREAM].created_at


async def test_answer_does_not_wait_for_ever(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stream that is durable and does not show yet is answered all the same."""
    monkeypatch.setattr(streams, "PROJECTED_SECONDS", 0.01)
    answer = await here.client("platform")("POST", "/v1/streams", NEW)
    assert answer.status == 201
    assert answer.json | NEW == answer.json
    assert (answer.json["state"], answer.json["created_at"]) == ("open", None)


async def test_redis_away_is_no_reason_to_fail(here: World) -> None:
    """What is durable is answered as such, though Redis cannot show it."""
    here.directory.away = True
    answer = await here.client("platform")("POST", "/v1/streams", NEW)
    assert answer.status == 201
    assert answer.json["id"] == "demo"


async def test_anothers_stream_is_a_conflict(here: World) -> None:
    """The log decides whose a stream is, also where two ask at once."""
    here.opened()
    answer = await here.client("platform")("POST", "/v1/streams", NEW | {"creator": "eve"})
    assert answer.status == 409
    assert answer.problem["code"] == Code.STREAM_EXISTS


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("creator", 403), (None, 401)])
async def test_only_the_platform_opens(here: World, role: str | None, status: int) -> None:
    """Others are refused, and who said nothing is asked who they are."""
    answer = await here.client(role)("POST", "/v1/streams", NEW)
    assert answer.status == status
    assert answer.problem
    assert here.kafka.items == []


@pytest.mark.parametrize(
    "body",
    [{}, {"id": "demo"}, NEW | {"id": "a b"}, NEW | {"id": 3}, NEW | {"creator": ""}, NEW | {"more": 1}],
)
async def test_what_is_wrong_with_a_stream_is_told(here: World, body: dict[str, object]) -> None:
    """A 422 names the member that is wrong."""
    answer = await here.client("platform")("POST", "/v1/streams", body)
    assert answer.status == 422
    assert answer.problem["code"] == Code.INVALID
    assert all(each["at"].startswith("body.") for each in answer.problem["errors"])


async def test_a_stream_is_shown_without_its_words(here: World) -> None:
    """Anybody sees its state; the words that it refuses are its moderators' own."""
    here.opened(title="T", settings={"words": ["secret"], "pinned": "x", "slow_mode_seconds": 5})
    answer = await here.client(None)("GET", "/v1/streams/demo")
    assert answer.status == 200
    assert answer.json["pinned"] == "x"
    assert b"secret" not in answer.body


async def test_unknown_stream_is_not_found(here: World) -> None:
    """There is nothing to show, and nothing to wait for."""
    assert (await here.client()("GET", "/v1/streams/demo")).problem["status"] == 404
    assert (await here.client()("GET", "/v1/streams/demo/stats")).status == 404


async def test_pages_of_streams_join_up(here: World) -> None:
    """Every stream is on one page, newest first, and the last page says that it is the last."""
    for number in range(7):
        here.opened(f"s{number}")
    client, found, after = here.client("platform", stream=None), [], ""
    for _ in range(10):
        page = (await client("GET", f"/v1/streams?limit=3{after}")).json
        found += [each["id"] for each in page["streams"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert found == [f"s{number}" for number in range(6, -1, -1)]
    assert (await client("GET", "/v1/streams?after=nope")).problem["status"] == 400


async def test_a_token_for_one_stream_lists_that_one(here: World) -> None:
    """It says nothing of others."""
    here.opened("other")
    here.opened()
    page = (await here.client()("GET", "/v1/streams")).json
    assert [each["id"] for each in page["streams"]] == ["demo"]


async def test_stats_come_from_the_end_of_the_window(here: World) -> None:
    """End, viewers, reactions, as the last segment has them."""
    here.opened()
    here.directory.push(comments(1, 5), comments(6, 9) | {"viewers": 12, "reactions": {"👍": 3}})
    stats = (await here.client()("GET", "/v1/streams/demo/stats")).json
    assert (stats["epoch"], stats["seq"], stats["viewers"]) == ("test-0", 9, 12)
    assert (stats["state"], stats["sampled"], stats["reactions"]) == ("open", False, {"👍": 3})


async def test_stats_of_a_stream_that_is_watched(here: World) -> None:
    """The live board knows more, and later."""
    here.opened()
    here.directory.push(comments(1, 5) | {"viewers": 12})
    here.directory.board = {
        "viewers": "200000", "users": "150000", "sampled": "1", "why": "viewers", "rate": "4.0",
        "p50_ms": "21.5", "p99_ms": "88.0", "reactions": '{"👍": 5}',
    }  # fmt: skip
    stats = (await here.client(None)("GET", "/v1/streams/demo/stats")).json
    assert (stats["viewers"], stats["users"], stats["sampled"]) == (200_000, 150_000, True)
    assert (stats["why"], stats["rate"], stats["p99_ms"]) == ("viewers", 4.0, 88.0)
    assert (stats["seq"], stats["reactions"]) == (5, {"👍": 5})


async def test_where_viewers_connect(here: World) -> None:
    """Edges that registered, else the one of the settings; and also while Redis is away."""
    assert (await here.client()("GET", "/v1/streams/demo/edge")).json == {
        "url": "ws://127.0.0.1:8000/connection/websocket",
        "fallbacks": [],
    }
    here.directory.board = {"viewers": "30000"}
    here.finder.urls = ["ws://a/", "ws://b/"]
    answer = await here.client()("GET", "/v1/streams/demo/edge")
    assert answer.json == {"url": "ws://a/", "fallbacks": ["ws://b/"]}
    assert here.finder.asked[-1] == ("demo", 30_000)
    here.directory.away = True
    assert (await here.client()("GET", "/v1/streams/demo/edge")).status == 200


def test_view_has_defaults() -> None:
    """A projection without settings, as an older one may have left it, is shown."""
    assert streams.view(StreamState("s", "c", None, "open", 0)).slow_mode_seconds == 0
