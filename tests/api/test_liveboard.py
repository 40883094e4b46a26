"""The live board: what is watched now, for the platform's eyes."""

from pathlib import Path
from typing import Any

import pytest
from fastapi.responses import FileResponse
from redis.asyncio import Redis

from edge.api import liveboard
from edge.api.directory import Directory
from schemas import stores
from schemas.refusals import Code
from tests.api.fakes import World

ROW = {
    "viewers": "81234",
    "users": "80100",
    "edges": "4",
    "p50_ms": "3.1",
    "p99_ms": "22.5",
    "queue_ms": "-1.0",
    "sampled": "1",
    "why": "viewers",
    "rate": "2.8",
    "arrivals_per_s": "411.5",
    "shown_per_s": "140.0",
    "lanes": "[7, 8]",
    "reactions": '{"❤": 12}',
}


async def test_streams_are_listed_with_what_is_known_of_them(here: World) -> None:
    """Numbers that are not known are null."""
    here.directory.watching = [("s", ROW), ("quiet", {"viewers": "3"})]
    answer = await here.client("platform")("GET", "/v1/live")
    assert answer.status == 200
    first, second = answer.json["streams"]
    assert first == {
        "id": "s",
        "viewers": 81_234,
        "users": 80_100,
        "edges": 4,
        "p50_ms": 3.1,
        "p99_ms": 22.5,
        "queue_ms": None,
        "sampled": True,
        "why": "viewers",
        "rate": 2.8,
        "arrivals_per_s": 411.5,
        "shown_per_s": 140.0,
        "lanes": [7, 8],
        "reactions": {"❤": 12},
    }
    assert (second["viewers"], second["sampled"], second["why"], second["users"]) == (3, False, None, None)


async def test_so_many_at_most(here: World) -> None:
    """As many as are asked for, within bounds."""
    here.directory.watching = [(f"s{n}", {}) for n in range(9)]
    client = here.client("platform")
    assert len((await client("GET", "/v1/live?limit=2")).json["streams"]) == 2
    assert (await client("GET", "/v1/live?limit=0")).status == 422
    assert (await client("GET", f"/v1/live?limit={liveboard.STREAMS_MAX + 1}")).status == 422


@pytest.mark.parametrize("role", ["viewer", "moderator", "creator"])
async def test_it_is_the_platforms(here: World, role: str) -> None:
    """How large other people's streams are is nobody else's business."""
    answer = await here.client(role)("GET", "/v1/live")
    assert answer.status == 403
    assert answer.json["code"] == Code.NOT_MODERATOR


async def test_the_page_says_when_it_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And is served when it is, with its parts."""
    monkeypatch.setattr(liveboard, "STATIC", tmp_path)
    assert (await liveboard.page()).status_code == 503
    (tmp_path / "index.html").write_text("<p>page")
    page = await liveboard.page()
    assert isinstance(page, FileResponse)
    assert page.path == tmp_path / "index.html"
    assert (await liveboard.part("../secret")).status_code == 404


async def test_a_stream_whose_reports_have_expired_is_taken_out(redis: Redis) -> None:
    """Its place in the list is all that was left of it."""
    fields: Any = ROW
    await redis.hset(stores.live("s"), mapping=fields)
    await redis.zadd(stores.LIVE, {"s": 5, "gone": 90, "t": 2})
    await redis.hset(stores.live("t"), mapping={"viewers": "2"})
    directory = Directory(redis, 8)
    assert await directory.watched(50) == [("s", ROW), ("t", {"viewers": "2"})]
    assert await redis.zrange(stores.LIVE, 0, -1) == [b"t", b"s"]
    assert await Directory(redis, 8).watched(1) == [("s", ROW)]
