"""Where a stream's viewers go: few edges a stream, the same few for everybody, and none too full. Pure.

Each stream has the edges in an order of its own (rendezvous hashing): when an edge comes or goes, only what
was or will be on it changes. Of a stream's order the first ⌈viewers / viewers_per_edge⌉ are used, so that
growth adds edges and moves nobody. Of two candidates the less loaded wins.

A small stream stays whole: its second edge wins only where the first is fuller by `SLACK`. Where an edge
reads whole partitions (the feed from Kafka), the order begins with the partition's *cell*, a few edges that
share its small streams, so that no edge reads everything.
"""

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import xxhash

SLACK = 0.05
"""Share of capacity by which a small stream's first edge may be fuller than its second."""
ADDRESSES_MAX = 3
"""The chosen edge and its fallbacks."""
ORDERS_KEPT = 16_384


@dataclass(frozen=True, slots=True)
class Offer:
    """What an edge offers. ``load`` and ``capacity``: connections."""

    address: str
    load: int
    capacity: int
    draining: bool = False

    @property
    def fullness(self) -> float:
        """Load as a share of capacity."""
        return self.load / self.capacity


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream to be placed. ``partition`` None: edges read streams, not partitions, and cells are no use."""

    id: str
    viewers: int
    partition: int | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """How streams are spread. ``cell_edges``: edges that share a partition's small streams; 0: all do."""

    viewers_per_edge: int
    cell_edges: int


def edges_for(viewers: int, viewers_per_edge: int) -> int:
    """Return how many edges a stream needs; at least one."""
    return max(1, -(-viewers // viewers_per_edge))


def score(key: str, address: str) -> int:
    """Return how much ``key`` (a stream, a partition) likes an edge; the highest comes first."""
    return xxhash.xxh3_64_intdigest(f"{key}\0{address}".encode())


@lru_cache(ORDERS_KEPT)
def first(key: str, addresses: tuple[str, ...], count: int) -> tuple[str, ...]:
    """Return the first ``count`` edges of the order of ``key``."""
    return tuple(heapq.nlargest(count, addresses, key=lambda address: score(key, address)))


def order(stream: Stream, addresses: tuple[str, ...], count: int, rules: Rules) -> tuple[str, ...]:
    """Return the first ``count`` edges of a stream's order: those of its cell, then the others."""
    if stream.partition is None or not 0 < rules.cell_edges < len(addresses):
        return first(stream.id, addresses, count)
    cell = first(f"partition {stream.partition}", addresses, rules.cell_edges)
    found = first(stream.id, cell, min(count, len(cell)))
    if count > len(cell):
        inside = set(cell)
        found += first(stream.id, tuple(each for each in addresses if each not in inside), count - len(cell))
    return found


def choose(
    stream: Stream, offers: Sequence[Offer], rules: Rules, draw: Callable[[int], int]
) -> tuple[str, ...]:
    """Return the addresses for one more viewer, the best first; empty: no edge takes anybody.

    ``draw(n)`` returns a random number below n: on a stream of many edges, each viewer has two candidates.
    """
    takers = [offer for offer in offers if not offer.draining]
    # A full edge refuses; where all are full, the refusal with its Retry-After is the answer.
    room = [offer for offer in takers if offer.fullness < 1] or takers
    fullness = {offer.address: offer.fullness for offer in room}
    if not fullness:
        return ()
    spread = edges_for(stream.viewers, rules.viewers_per_edge)
    ranked = order(stream, tuple(sorted(fullness)), max(spread, ADDRESSES_MAX), rules)
    chosen = _pair(ranked, spread, fullness, draw)
    rest = [each for each in ranked if each not in chosen]
    return (*chosen, *rest)[:ADDRESSES_MAX]


def _pair(
    ranked: Sequence[str], spread: int, fullness: Mapping[str, float], draw: Callable[[int], int]
) -> tuple[str, ...]:
    """Return the two candidates, the less loaded first; one where there is only one edge."""
    if len(ranked) == 1:
        return (ranked[0],)
    one, two, slack = ranked[0], ranked[1], SLACK
    if spread > 1:
        among = min(spread, len(ranked))
        at = draw(among)
        one, two, slack = ranked[at], ranked[(at + 1 + draw(among - 1)) % among], 0.0
    return (two, one) if fullness[one] > fullness[two] + slack else (one, two)
