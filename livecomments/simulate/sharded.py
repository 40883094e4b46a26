"""A stream beyond one partition: sampled in shards before it is numbered. Pure; seeded.

The plan is in ``docs/beyond-one-partition.md``. Here is what of it can go wrong in the arithmetic: shards
split a stream by author, each keeps the smallest keys of its window (stage A), one merge takes the smallest
of those and deals the lanes (stage B), and what it has shown comes back to the shards some windows later.
Keys, weights, lanes and texts are decided by the code that decides them in `sample`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import nsmallest
from itertools import groupby
from math import ceil
from operator import attrgetter
from typing import Final

import xxhash

from agents.core.lanes import WINDOW_MS, lanes_of, permuted
from agents.core.sampling import STEEPNESS, Candidate, Sampler, drawing, picked
from agents.core.shown import Lately, text_key
from livecomments.simulate.sampling import SECRET
from schemas.records import Event, FanoutEvent

STREAM: Final = "sharded"
KEPT: Final = 128
"""Candidates that a shard hands on of one window: more than one merge can ever deal at 4 a second."""
DELAY_WINDOWS: Final = 2
"""Until a shard knows what was shown: it reads ``comments.fanout`` like everybody."""
LOAD: Final = 0.6
"""Of what a partition can take, is what it is given."""


def shard_of(author: str, shards: int) -> int:
    """Return an author's shard: all of their comments meet there, so repeats and rates are judged there."""
    return xxhash.xxh3_64_intdigest(author.encode()) % shards


def shards_for(arrivals: float, capacity: float) -> int:
    """Return how many shards a stream needs, where a partition can take ``capacity`` comments a second."""
    return max(1, ceil(arrivals / (LOAD * capacity)))


class Shard:
    """Stage A of one shard. ``kept``: candidates it hands on."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._draw = drawing(SECRET, STREAM)
        self._lately = Lately()

    def window(self, window: int, events: Iterable[Event]) -> list[Candidate]:
        """Return the candidates with the smallest keys of one window's comments."""
        groups: dict[str, Candidate] = {}
        for event in events:
            text = text_key(event)
            if self._lately.repeats(text, window):
                continue
            handicap = STEEPNESS * self._lately.weight_of(event["user_id"], window)
            join(groups, text, Candidate(self._draw(event["id"]) + handicap, event))
        return nsmallest(self._kept, groups.values(), key=attrgetter("key"))

    def learn(self, window: int, shown: Sequence[FanoutEvent]) -> None:
        """Take note of what the merge has shown."""
        self._lately.add(window, shown)


class Merge:
    """Stage B: one a stream, and all that is numbered and fanned out goes through it."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._lately = Lately()

    def window(self, window: int, candidates: Iterable[Candidate]) -> list[FanoutEvent]:
        """Return what is shown, in the order of the comments."""
        groups: dict[str, Candidate] = {}
        for candidate in candidates:
            text = text_key(candidate.event)
            if not self._lately.repeats(text, window):
                join(groups, text, candidate)
        order = permuted(SECRET, STREAM, window)
        shown = picked(groups.values(), self._lately, window, self._rate, always=0, order=order)
        shown.sort(key=lambda event: event["seq"])
        self._lately.add(window, shown)
        return shown


def join(groups: dict[str, Candidate], text: str, new: Candidate) -> None:
    """Let identical texts be one candidate, with the smallest key and a count of them all."""
    known = groups.get(text)
    if known is None:
        groups[text] = Candidate(new.key, new.event, new.copies)
        return
    known.copies += new.copies
    if new.key < known.key:
        known.key, known.event = new.key, new.event


@dataclass(slots=True)
class Outcome:
    """What a run came to. ``handed_on``: candidates from the shards to the merge."""

    windows: int = 0
    arrived: int = 0
    handed_on: int = 0
    shown: int = 0
    same: int = 0
    """Of the shown, those that one sampler of the whole stream shows too, on the same lanes."""
    impressions: Counter[str] = field(default_factory=Counter)

    @property
    def handed_on_per_s(self) -> float:
        """Candidates a second that reach the one merge."""
        return self.handed_on / max(self.windows, 1) * 1000 / WINDOW_MS

    @property
    def agreement(self) -> float:
        """Share of the shown that are the same as without shards."""
        return self.same / max(self.shown, 1)


def run(
    events: Iterable[Event],
    shards: int,
    *,
    kept: int = KEPT,
    delay: int = DELAY_WINDOWS,
    rate: float = 4.0,
    warm_s: float = 0.0,
) -> Outcome:
    """Sample ``events`` in shards, and beside it as a whole; hold the two together.

    ``delay``: windows until a shard knows what was shown, 0: at once; ``warm_s``: not counted.
    """
    stages, merge = [Shard(kept) for _ in range(shards)], Merge(rate)
    whole = Sampler(STREAM, 0, SECRET, rate)
    outcome = Outcome()
    known: list[tuple[int, list[FanoutEvent]]] = []
    first = -1
    for window, rows in _windows(events):
        first = window if first < 0 else first
        while known and known[0][0] <= window - delay - (delay == 0):
            at, told = known.pop(0)
            for stage in stages:
                stage.learn(at, told)
        split: list[list[Event]] = [[] for _ in stages]
        for row in rows:
            split[shard_of(row["user_id"], shards)].append(row)
        handed = [
            each for stage, part in zip(stages, split, strict=True) for each in stage.window(window, part)
        ]
        shown = merge.window(window, handed)
        known.append((window, shown))
        alone = [*whole.take(rows), *whole.close()]
        if (window - first) * WINDOW_MS >= warm_s * 1000:
            _count(outcome, len(rows), len(handed), shown, [one for batch in alone for one in batch.events])
    return outcome


def _count(
    outcome: Outcome, arrived: int, handed: int, shown: Sequence[FanoutEvent], alone: Sequence[FanoutEvent]
) -> None:
    outcome.windows += 1
    outcome.arrived += arrived
    outcome.handed_on += handed
    outcome.shown += len(shown)
    masks = {one["id"]: one["mask"] for one in alone}
    outcome.same += sum(masks.get(one["id"]) == one["mask"] for one in shown)
    for one in shown:
        outcome.impressions[one["user_id"]] += sum(1 for _ in lanes_of(one["mask"]))


def _windows(events: Iterable[Event]) -> Iterator[tuple[int, list[Event]]]:
    for window, rows in groupby(events, key=lambda event: event["at"] // WINDOW_MS):
        yield window, list(rows)
