"""Which faults there are, and in which order a run meets them. Pure, from the seed.

A kind's name is what is done, a dash, and to what: ``kill-sequence``, ``cut-client``.
"""

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

STAGES = ("ingest", "moderate", "sequence", "sample", "persist")
OURS = (*STAGES, "edge", "api")
FUSED = "fused"
"""The one process that may take the place of `STAGES`."""
PAUSE_SECONDS = 5.0
FREEZE_SECONDS = 16.0
"""Past a consumer's session (10 s): its partitions have another owner when it goes on."""
STORE_FREEZE_SECONDS = 4.0
NETWORK_SECONDS = (1.0, 6.0)
CLOCK_SECONDS = 3_600
CLOCK_HOLD_SECONDS = 4.0
TOGETHER_SHARE = 0.25
"""Of faults that begin together with another."""

ALL = (
    *(f"kill-{kind}" for kind in OURS),
    *(f"pause-{kind}" for kind in OURS),
    *(f"freeze-{kind}" for kind in OURS),
    "kill-kafka", "restart-kafka", "freeze-kafka",
    "kill-redis", "flush-redis", "freeze-redis",
    "cut-kafka", "stall-kafka", "deaf-kafka", "halfclose-kafka",
    "cut-client", "stall-client", "halfclose-client",
    *(f"clock-{kind}" for kind in OURS),
    "roll-edge",
    "poison-topics",
)  # fmt: skip
CASSANDRA = ("kill-cassandra", "freeze-cassandra")
"""Only where Cassandra is the archive."""
SMOKE = (
    ("freeze-sequence", "kill-edge"),
    ("kill-sequence",),
    ("kill-ingest", "poison-topics"),
    ("kill-moderate", "cut-client"),
    ("kill-sample", "flush-redis"),
    ("kill-persist", "halfclose-client"),
    ("kill-api", "stall-client"),
    ("kill-kafka",),
    ("restart-kafka",),
    ("freeze-kafka", "freeze-redis"),
    ("kill-redis", "cut-kafka"),
    ("stall-kafka", "pause-persist"),
    ("deaf-kafka", "pause-ingest"),
    ("halfclose-kafka", "clock-moderate"),
    ("clock-edge", "pause-sample"),
    ("roll-edge", "pause-moderate"),
)
"""Every way of doing harm, and every process, once, in a few minutes; what is in one group is together."""


@dataclass(frozen=True, slots=True)
class Step:
    """Faults that begin together, a pause after the last step."""

    pause_seconds: float
    kinds: tuple[str, ...]


def chosen(words: Iterable[str], *, cassandra: bool, clock: bool, fused: bool = False) -> tuple[str, ...]:
    """Return the kinds that ``words`` name: a kind, or what is done, or to what; no words: all.

    ``clock``: whether a clock can be shifted here. ``fused``: whether the stages are in one process.

    Raises:
        ValueError: a word names nothing.

    """
    there = [*ALL, *(CASSANDRA if cassandra else ())]
    there = [kind for kind in there if clock or not kind.startswith("clock-")]
    if fused:
        there = list(dict.fromkeys(map(_to_fused, there)))
    wanted = [word for word in words if word != "none"]
    for word in wanted:
        if not any(_named(kind, word) for kind in there):
            raise ValueError(f"no fault is called {word!r}; there are {', '.join(there)}")
    if list(words) and not wanted:
        return ()
    return tuple(kind for kind in there if not wanted or any(_named(kind, word) for word in wanted))


def steps(kinds: Sequence[str], rng: random.Random) -> Iterator[Step]:
    """Yield steps for ever: every kind once in a shuffled order, and again."""
    while kinds:
        deck = list(kinds)
        rng.shuffle(deck)
        while deck:
            count = 2 if len(deck) > 1 and rng.random() < TOGETHER_SHARE else 1
            taken = tuple(deck.pop() for _ in range(count))
            yield Step(rng.uniform(1.0, 3.0), taken)


def smoke(clock: bool) -> Iterator[Step]:
    """Yield the steps of SMOKE, once; without those that need a clock to be shifted if it cannot be."""
    for group in SMOKE:
        there = tuple(kind for kind in group if clock or not kind.startswith("clock-"))
        if there:
            yield Step(1.0, there)


def smoke_kinds(clock: bool) -> tuple[str, ...]:
    """Return what `smoke` has."""
    return tuple(kind for step in smoke(clock) for kind in step.kinds)


def _to_fused(kind: str) -> str:
    what, _, whom = kind.partition("-")
    return f"{what}-{FUSED}" if whom in STAGES else kind


def _named(kind: str, word: str) -> bool:
    return word == kind or word in kind.split("-")
