"""A word list held against what was written lately: «it would have caught these». Changes nothing."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edge.api.history import History, Range
from edge.api.models import SEQ_MAX
from schemas.archive.base import PAGE_EVENTS_MAX
from schemas.filtering import ListFault, build, parse_list

COMMENTS_MAX = 2_000
"""The last ones, that one trial looks at."""
CAUGHT_MAX = 200
"""That are shown; all are counted."""

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Catch:
    """A comment, the rule that would have caught it, and what disguises had to be undone."""

    event: Event
    rule: str
    disguises: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trial:
    """``caught``: the last `CAUGHT_MAX` of ``count``; ``faults``: rules that are none, and were left out."""

    looked_at: int
    count: int
    caught: Sequence[Catch]
    faults: Sequence[ListFault]


async def last_comments(history: History, stream_id: str, end: int, count: int) -> list[Event]:
    """Return the comments among the last ``count`` numbers up to ``end``. Raises Away."""
    found: list[Event] = []
    at: int | None = max(1, end - count + 1)
    while at is not None:
        page = await history.read(stream_id, Range(from_seq=at, to_seq=SEQ_MAX, limit=PAGE_EVENTS_MAX))
        if page is None:
            break
        found += page.events
        at = page.next_seq
    return found


async def trial(words: Sequence[str], comments: Sequence[Event]) -> Trial:
    """Hold ``words`` against ``comments``, in a thread: making a list's automaton takes a while."""
    return await asyncio.to_thread(held_against, words, comments)


def held_against(words: Sequence[str], comments: Sequence[Event]) -> Trial:
    """Return what the rules catch. Pure."""
    parsed = parse_list(tuple(words))
    listed = build(parsed.rules)
    caught = [
        Catch(event, str(hit.rule), hit.disguises)
        for event in comments
        if (hit := listed.find(event["text"])) is not None
    ]
    return Trial(len(comments), len(caught), caught[-CAUGHT_MAX:], parsed.faults)
