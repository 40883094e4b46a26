"""A hot stream's comments through the real sampler, and whether what comes out is fair. Pure; seeded.

Arrivals are a Poisson process in the log's time, authors are drawn by their rates, and every text is
different unless a log is played. One second's delivery is four windows: what a viewer gets in *any* second
is what any four windows in a row show on their lane.
"""

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from math import exp
from typing import Any, Final

from agents.core.lanes import LANES, MASK_ALL, SPAN_WINDOWS_MIN, WINDOW_MS, lanes_of
from agents.core.sampling import Batch, Sampler
from agents.core.shown import text_key
from schemas.records import Event, FanoutEvent

START_MS: Final = 1_800_000_000_000
SECRET: Final = b"simulated" * 4
STRATA: Final = 8
CAP_WINDOWS: Final = 5_000 // WINDOW_MS
CHI2_MAX: Final = 24.3
"""99.9% of a χ² with 7 degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes ``rate`` comments a second, from ``start_s`` on for ``seconds``."""

    name: str
    rate: float
    start_s: float = 0.0
    seconds: float = float("inf")
    stratum: int = 0

    @property
    def bursts(self) -> bool:
        """Whether they do not write all the time."""
        return self.seconds != float("inf")


def crowd(arrivals: float, normal: float, *, spread: bool = False) -> list[Author]:
    """Return authors that write ``arrivals`` comments a second in all, each about ``normal``.

    ``spread``: in eight strata of equal size, whose rates are as 1 to 8; else all alike.
    """
    mean = (STRATA + 1) / 2 if spread else 1.0
    count = round(arrivals / normal)
    return [
        Author(f"u{n}", normal * (n % STRATA + 1) / mean if spread else normal, stratum=n % STRATA)
        for n in range(count)
    ]


def event(seq: int, at: int, user: str, text: str, role: str = "viewer") -> Event:
    """Return a comment as ``comments.sequenced`` has it."""
    return Event(
        type="comment",
        seq=seq,
        at=at,
        id=f"00000000-0000-7000-8000-{seq:012x}",
        user_id=user,
        user_name=user,
        role=role,
        text=text,
        sticker=None,
        command=None,
        mask=MASK_ALL,
    )


def written(authors: Sequence[Author], seconds: float, seed: int) -> Iterator[Event]:
    """Yield the comments of ``authors`` in order: Poisson, but bursts are even."""
    draw = random.Random(seed)  # noqa: S311 - a simulation
    steady = [author for author in authors if not author.bursts]
    weights = list(accumulate(author.rate for author in steady))
    times: list[tuple[float, str]] = []
    at = draw.expovariate(weights[-1])
    while at < seconds:
        times.append((at, draw.choices(steady, cum_weights=weights)[0].name))
        at += draw.expovariate(weights[-1])
    for author in authors:
        if author.bursts:
            count = round(author.rate * min(author.seconds, seconds - author.start_s))
            times += [(author.start_s + n / author.rate, author.name) for n in range(count)]
    for seq, (at, name) in enumerate(sorted(times), start=1):
        yield event(seq, START_MS + int(at * 1000), name, f"comment {seq}")


def played(messages: Iterable[tuple[int, str, str]], speed: float) -> Iterator[Event]:
    """Yield a chat log's messages (ms since its beginning, author, text), ``speed`` times as fast."""
    for seq, (at_ms, user, text) in enumerate(messages, start=1):
        yield event(seq, START_MS + int(at_ms / speed), user, text)


@dataclass(slots=True)
class Outcome:
    """What one run showed: ``batches``, a window each, from the first to the last."""

    arrived: int = 0
    distinct: int = 0
    """Of those, texts that had not been shown within 5 s, each counted once a window."""
    repeats: int = 0
    batches: list[list[FanoutEvent]] = field(default_factory=list)
    impressions: Counter[str] = field(default_factory=Counter)
    """Of each author, over all lanes."""
    observed: Counter[int] = field(default_factory=Counter)
    expected: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def shown(self) -> int:
        """Comments shown to anybody."""
        return sum(map(len, self.batches))

    @property
    def coverage(self) -> float:
        """Share of the distinct comments that were shown to anybody."""
        return self.shown / max(self.distinct, 1)

    def in_any_second(self, *, lanes_alone: bool) -> tuple[int, int]:
        """Return the fewest and the most comments of any lane in any second."""
        counts = [_per_lane(events, lanes_alone=lanes_alone) for events in self.batches]
        low, high = 10**9, 0
        for start in range(len(counts) - SPAN_WINDOWS_MIN + 1):
            sums = [sum(lane) for lane in zip(*counts[start : start + SPAN_WINDOWS_MIN], strict=True)]
            low, high = min(low, *sums), max(high, *sums)
        return low, high

    @property
    def chi2(self) -> float:
        """χ² of the shown comments' strata against what their weights say."""
        return sum((self.observed[each] - want) ** 2 / want for each, want in self.expected.items())

    @property
    def overlap(self) -> float:
        """Mean Jaccard index of two lanes' own comments."""
        lanes: list[set[str]] = [set() for _ in range(LANES)]
        for events in self.batches:
            for one in events:
                if one["mask"] != MASK_ALL:
                    for lane in lanes_of(one["mask"]):
                        lanes[lane].add(one["id"])
        pairs = [(a, b) for n, a in enumerate(lanes) for b in lanes[n + 1 :]]
        return sum(len(a & b) / max(len(a | b), 1) for a, b in pairs) / len(pairs)

    def most_within_5_s(self, author: str) -> int:
        """Return how often any lane saw an author within any 5 s."""
        counts = [
            _per_lane([one for one in events if one["user_id"] == author], lanes_alone=False)
            for events in self.batches
        ]
        spans = range(max(1, len(counts) - CAP_WINDOWS + 1))
        return max(max(map(sum, zip(*counts[at : at + CAP_WINDOWS], strict=True))) for at in spans)


def run(
    events: Iterable[Event],
    *,
    rate: float = 4.0,
    strata: Mapping[str, int] | None = None,
    warm_s: float = 0.0,
) -> Outcome:
    """Sample ``events``; what is decided in the first ``warm_s`` is not counted.

    ``strata``: of the authors, where the draw is to be held against their weights.
    """
    sampler = Sampler("simulated", 0, SECRET, rate)
    outcome = Outcome()
    waiting: dict[str, tuple[str, float]] = {}
    ids: set[str] = set()
    first: int | None = None
    last = 0

    def take(batches: Sequence[Batch]) -> None:
        nonlocal first, last
        for batch in batches:
            first = batch.window if first is None else first
            if outcome.batches:
                outcome.batches += [[] for _ in range(last + 1, batch.window)]
            last = batch.window
            if (batch.window - first) * WINDOW_MS >= warm_s * 1000:
                _count(outcome, batch, waiting, strata)
            new = [one["id"] for one in batch.events]
            outcome.repeats += sum(one in ids for one in new) + len(new) - len(set(new))
            ids.update(new)
            waiting.clear()

    for one in events:
        take(sampler.take([one]))
        outcome.arrived += 1
        author, key = one["user_id"], text_key(one)
        if key not in waiting and not sampler.repeats(key):
            waiting[key] = (author, sampler.weight(author) if strata is not None else 1.0)
    take(sampler.close())
    return outcome


def _count(
    outcome: Outcome, batch: Batch, waiting: Mapping[str, tuple[str, float]], strata: Mapping[str, int] | None
) -> None:
    outcome.distinct += len(waiting)
    outcome.batches.append(list(batch.events))
    for one in batch.events:
        outcome.impressions[one["user_id"]] += sum(1 for _ in lanes_of(one["mask"]))
    if strata is not None:
        for one in batch.events:
            outcome.observed[strata[one["user_id"]]] += 1
        shares = inclusions([weight for _, weight in waiting.values()], len(batch.events))
        for (author, _), share in zip(waiting.values(), shares, strict=True):
            outcome.expected[strata[author]] += share


def inclusions(weights: Sequence[float], count: int) -> list[float]:
    """Return the chance of each weight to be among ``count`` drawn by weight, without replacement.

    As of exponential clocks that ring until ``count`` have: 1 − e^(−w·t), with the t that sums to ``count``.
    """
    if count >= len(weights):
        return [1.0] * len(weights)
    low, high = 0.0, 1.0
    while sum(1 - exp(-weight * high) for weight in weights) < count and high < 1e300:
        high *= 4
    for _ in range(60):
        middle = (low + high) / 2
        total = sum(1 - exp(-weight * middle) for weight in weights)
        low, high = (middle, high) if total < count else (low, middle)
    return [1 - exp(-weight * high) for weight in weights]


def _per_lane(events: Iterable[Mapping[str, Any]], *, lanes_alone: bool) -> list[int]:
    counts = [0] * LANES
    for one in events:
        if not lanes_alone or one["mask"] != MASK_ALL:
            for lane in lanes_of(one["mask"]):
                counts[lane] += 1
    return counts
