"""Counts over a stream's time: exact where it is short, estimated within a bounded cost where it is long."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.api import histogram
from edge.api.histogram import KEPT_MAX, KEPT_SECONDS, Extent, Histogram, Kept, width_ms
from edge.api.history import READ_SECONDS
from tests.api.fakes import World
from tests.api.records import AT, STREAM, comments, event, id_of, segment

PATH = f"/v1/streams/{STREAM}/histogram"


async def get(here: World, query: str = "") -> Any:
    answer = await here.client()("GET", PATH + query)
    assert answer.status == 200, answer
    return answer.json


@given(st.integers(0, 10**9), st.integers(0, 10**9), st.integers(1, 200))
def test_parts_hold_the_whole_stream(starts_at: int, long: int, buckets: int) -> None:
    """The first and the last moment are in the first and in one of the parts, at the narrowest."""
    extent = Extent("e-0", 1, 2, starts_at, starts_at + long)
    width = width_ms(extent, buckets)
    assert 0 <= long // width < buckets
    assert (width - 1) * buckets <= long


async def test_comments_are_counted_in_their_part(here: World) -> None:
    """A hundred seconds in ten parts; what else happened counts for nothing."""
    await here.store(segment([event(1), event(2, "pin", id_of(1)), *(event(seq) for seq in range(3, 101))]))
    found = await get(here, "?buckets=10")
    assert (found["starts_at"], found["ends_at"], found["epoch"]) == (AT + 1000, AT + 100_000, "test-0")
    assert found["bucket_ms"] == 9_901
    assert found["counts"] == [9, 10, 10, 10, 10, 10, 10, 10, 10, 10]
    assert found["exact"]


async def test_what_is_not_shown_is_not_counted(here: World) -> None:
    """Deleted, cleared, shadowed; whenever that came."""
    said = [event(1), event(2), event(3, user_id="bo"), event(4, mask=0), event(5)]
    await here.store(segment([*said, event(6, "delete", id_of(2)), event(7, "clear", "bo")]))
    assert sum((await get(here))["counts"]) == 2


async def test_a_long_stream_is_estimated(here: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a part of each; near to what it is, with few reads, and it says so."""
    monkeypatch.setattr(histogram, "EXACT_SEQS_MAX", 100)
    monkeypatch.setattr(histogram, "PROBE_SEQS", 50)
    times = [AT + min(seq, 1_000) * 10 + max(0, seq - 1_000) for seq in range(2_001)]
    said = [event(seq, at=times[seq], user_id="ana" if seq % 4 else "bo") for seq in range(1, 2_001)]
    await here.store(segment([*said, event(2_001, "clear", "bo", at=AT + 11_000)]))
    reads, read = 0, here.archive.read

    async def counted(*arguments: Any, **more: Any) -> Any:
        nonlocal reads
        reads += 1
        return await read(*arguments, **more)

    monkeypatch.setattr(here.archive, "read", counted)
    found = await get(here, "?buckets=11")
    assert not found["exact"]
    assert reads == 11
    assert found["counts"][-1] == pytest.approx(750, rel=0.05)
    assert sum(found["counts"]) == pytest.approx(1_500, rel=0.05)


async def test_a_stream_without_comments(here: World) -> None:
    """Opened, and nothing archived: nothing is counted. Not opened, or no such epoch: there is none."""
    assert (await here.client()("GET", PATH)).problem["status"] == 404
    here.opened()
    assert await get(here, "?buckets=3") == {
        "epoch": None, "starts_at": AT, "ends_at": AT, "bucket_ms": 1, "counts": [0, 0, 0], "exact": True,
    }  # fmt: skip
    await here.store(comments(1, 1))
    assert (await get(here, "?buckets=2"))["counts"] == [1, 0]
    assert (await here.client()("GET", PATH + "?epoch=other-0")).problem["status"] == 404


@pytest.mark.parametrize(
    "query", ["?buckets=0", "?buckets=201", "?buckets=x", "?more=1", f"?epoch={'x' * 101}"]
)
async def test_what_cannot_be_counted(here: World, query: str) -> None:
    """Too many parts, none, or something else is not valid."""
    assert (await here.client()("GET", PATH + query)).problem["status"] == 422


async def test_who_may_see(here: World) -> None:
    """Who may read the stream; a token for another may not."""
    assert (await here.client(stream="other")("GET", PATH)).status == 403


def test_answers_are_kept_a_while() -> None:
    """As many as there is room for, the newest; and not for long."""
    now = 0.0
    kept = Kept(lambda: now)
    made = Histogram(Extent("e-0", 1, 1, 0, 0), 1, [1], exact=True)
    for number in range(KEPT_MAX + 1):
        kept.put(number, made)
    assert (kept.get(0), kept.get(KEPT_MAX)) == (None, made)
    now = KEPT_SECONDS + 1
    assert kept.get(KEPT_MAX) is None


async def test_an_archive_that_does_not_answer(here: World, tmp_path: Path) -> None:
    """It is away: try again."""
    del tmp_path
    await here.archive.close()
    problem = (await here.client()("GET", PATH)).problem
    assert problem["status"] == 503
    assert problem["retry_after"] <= READ_SECONDS
