"""What was counted of a stream, as numbers and as a picture."""

import json
import xml.etree.ElementTree as ET

import pytest
from redis.asyncio import Redis

from agents.analyse import AnalyseState
from agents.analytics import Analytics
from agents.core.counting import Tally
from edge.api.analytics import StreamAnalytics, picture
from edge.api.directory import Directory
from schemas import stores
from schemas.records import Term
from tests.api.fakes import World

SVG = "{http://www.w3.org/2000/svg}"


def tally() -> Tally:
    found = Tally()
    for minute, comments in ((100, 80), (101, 3), (105, 12)):
        found.take(minute, comments, 1, b"", comments // 2)
        if minute == 100:
            found.add_terms([Term(term="the", comments=8)])
    found.add_terms([Term(term="<encore>", comments=9), Term(term="hello", comments=4)])
    return found


@pytest.fixture
async def counted(redis: Redis) -> Redis:
    """Return a Redis in which the stage's projection was written by its own writer."""
    state = AnalyseState(0, tallies={"s": tally()})
    analytics = Analytics(redis)
    analytics.changed(0, state, None)
    await analytics.write()
    return redis


async def test_what_is_written_is_answered(here: World, counted: Redis) -> None:
    """From the stage's own words in Redis, which expire, to the answer."""
    text = await Directory(counted, 8).analytics("s")
    assert text is not None
    assert 0 < await counted.ttl(stores.analytics("s")) <= stores.ANALYTICS_SECONDS
    here.directory.counted["demo"] = text
    answer = await here.client("moderator")("GET", "/v1/streams/demo/analytics")
    assert answer.status == 200
    assert answer.json == {
        "minutes": [
            {"at": 6_000_000, "comments": 80, "actions": 1, "authors": 40},
            {"at": 6_060_000, "comments": 3, "actions": 1, "authors": 1},
            {"at": 6_300_000, "comments": 12, "actions": 1, "authors": 6},
        ],
        "rising": [
            {"term": "<encore>", "comments": 9, "lift": 3.73},
            {"term": "hello", "comments": 4, "lift": 3.73},
        ],
    }


async def test_a_stream_that_nobody_counts(here: World) -> None:
    """Is empty; one that is not there is not found."""
    here.opened()
    answer = await here.client("creator")("GET", "/v1/streams/demo/analytics")
    assert (answer.status, answer.json) == (200, {"minutes": [], "rising": []})
    assert (await here.client("platform")("GET", "/v1/streams/none/analytics")).status == 404


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), (None, 401)])
@pytest.mark.parametrize("path", ["analytics", "analytics.svg"])
async def test_only_those_who_moderate_see_it(here: World, role: str | None, status: int, path: str) -> None:
    """A word may come from a comment that is deleted."""
    here.opened()
    answer = await here.client(role)("GET", f"/v1/streams/demo/{path}")
    assert answer.status == status


async def test_the_picture(here: World) -> None:
    """A bar for each minute, as high as what was said; words are text, whatever is in them."""
    here.opened()
    here.directory.counted["demo"] = json.dumps(
        {
            "minutes": [
                {"at": 0, "comments": 5, "actions": 0, "authors": 5},
                {"at": 180_000, "comments": 10, "actions": 0, "authors": 2},
            ],
            "rising": [{"term": "<script>", "comments": 9, "lift": 4.0}],
        }
    )
    answer = await here.client("moderator")("GET", "/v1/streams/demo/analytics.svg")
    assert answer.headers["content-type"] == "image/svg+xml"
    drawn = ET.fromstring(answer.body.decode())  # noqa: S314 - our own
    low, high = [each for each in drawn.findall(f"{SVG}rect") if each.get("fill") == "#7aa2f7"]
    assert float(high.get("height", 0)) == 2 * float(low.get("height", 0))
    assert float(high.get("x", 0)) > float(low.get("x", 0)) + 2 * float(low.get("width", 0))  # the gap
    assert "15 comments" in "".join(drawn.itertext())
    assert "<script> ×4" in "".join(drawn.itertext())


def test_an_empty_picture() -> None:
    """Nothing was said: no bar, and still a picture."""
    drawn = ET.fromstring(picture("s", StreamAnalytics(minutes=[], rising=[])))  # noqa: S314
    assert len(drawn.findall(f"{SVG}rect")) == 1
