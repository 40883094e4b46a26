"""Placement over millions of streams: how even the edges' loads are, and what each edge has to read. Pure.

The audience is Zipf's. Streams on several edges are placed by `edge.placement` itself. The millions of small
ones take their two candidates from one hash, as evenly spread as the first two of a rendezvous order are
(`tests/edge/test_placement.py` holds the real order against that): a real order over thousands of edges for
each would take hours. Viewers come in rounds, so that a stream may find its first edge fuller than before.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import ceil, gcd
from random import Random
from statistics import fmean
from typing import Literal

import xxhash

from edge.placement import SLACK, Rules, Stream, edges_for, first, order

Rule = Literal["one", "two", "bounded"]
ROUNDS = 3
CHUNK_VIEWERS = 250
"""Viewers of a large stream that choose together."""
BOUND = 1.25
WALK_MAX = 10_000
"""Edges that are looked at; at a bound of 1.25 at least every fifth is below it."""
SHOWN_PER_SECOND_MAX = 64 * 4
"""Of a sampled stream: 64 lanes of 4 comments."""


@dataclass(frozen=True, slots=True)
class Model:
    """What is simulated. ``fill``: the mean edge's share of its capacity."""

    streams: int = 10_000_000
    viewers: int = 200_000_000
    exponent: float = 0.902
    capacity: int = 100_000
    fill: float = 0.77
    viewers_per_edge: int = 25_000
    cell_edges: int = 8
    partitions: int = 4_096
    comments_per_viewer: float = 836_000 / 200_000_000
    """A second."""
    bytes_per_comment: int = 142
    seed: int = 1

    @property
    def edges(self) -> int:
        """How many edges that takes."""
        return max(2, ceil(self.viewers / (self.capacity * self.fill)))

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return the edges' names."""
        return tuple(f"edge-{number:05d}" for number in range(self.edges))

    def bytes_of(self, viewers: int) -> float:
        """Return what a stream's fan-out carries a second; a large one is sampled."""
        return min(viewers * self.comments_per_viewer, SHOWN_PER_SECOND_MAX) * self.bytes_per_comment


@dataclass(slots=True)
class Placed:
    """Where the viewers are. ``used``: bit 0, the first candidate of each small stream; bit 1, the second."""

    loads: list[int]
    used: bytearray
    total: int = 0
    large: dict[int, set[int]] = field(default_factory=dict)
    """Edges of each stream that has several."""


@dataclass(frozen=True, slots=True)
class Result:
    """One row: a rule, a feed, and what follows. Bytes are a second's."""

    rule: Rule
    feed: Literal["kafka", "kafka without cells", "redis"]
    edges: int
    max_over_mean: float
    fullest: float
    """Share of the capacity of the fullest edge."""
    channels: int
    """(Stream, edge) pairs, all edges together."""
    reads_mean: float
    """Partitions, or channels, that an edge reads."""
    reads_max: int
    bytes_mean: float
    bytes_max: float


def audience(model: Model) -> "array[int]":
    """Return each stream's viewers, the largest first."""
    weights = [rank**-model.exponent for rank in range(1, model.streams + 1)]
    scale = model.viewers / sum(weights)
    return array("I", [max(1, round(weight * scale)) for weight in weights])


class Places:
    """Candidates of every stream, with cells or without."""

    def __init__(self, model: Model, *, cells: bool) -> None:
        self._model = model
        self._rules = Rules(model.viewers_per_edge, model.cell_edges if cells else 0)
        self._addresses = model.addresses
        self._numbers = {address: number for number, address in enumerate(self._addresses)}
        self.cells: list[tuple[int, ...]] | None = None
        if 0 < self._rules.cell_edges < model.edges:
            self.cells = [
                tuple(self._numbers[a] for a in first(f"partition {p}", self._addresses, model.cell_edges))
                for p in range(model.partitions)
            ]

    def pair(self, stream: int, hashed: int) -> tuple[int, int]:
        """Return a small stream's two candidates; ``hashed``: 64 bits."""
        if self.cells is None:
            one = hashed % self._model.edges
            return one, (one + 1 + (hashed >> 32) % (self._model.edges - 1)) % self._model.edges
        cell = self.cells[stream % self._model.partitions]
        at = (hashed >> 16) % len(cell)
        return cell[at], cell[(at + 1 + (hashed >> 40) % (len(cell) - 1)) % len(cell)]

    def several(self, stream: int, viewers: int) -> list[int]:
        """Return the edges of a stream that has several."""
        count = edges_for(viewers, self._model.viewers_per_edge)
        partition = stream % self._model.partitions
        found = order(Stream(f"stream {stream}", viewers, partition), self._addresses, count, self._rules)
        return [self._numbers[address] for address in found]


def hash_of(stream: int) -> int:
    """Return a stream's 64 bits."""
    return xxhash.xxh3_64_intdigest(stream.to_bytes(8, "little"))


def place(model: Model, viewers: Sequence[int], places: Places, rule: Rule) -> Placed:
    """Bring all viewers in, a round of every stream's after the other."""
    placed = Placed([0] * model.edges, bytearray(len(viewers)))
    rounds = 1 if rule == "bounded" else ROUNDS
    small: Put = {"one": _one, "two": _two, "bounded": _bounded}[rule](model, placed, places)
    large: Put = {"one": _any, "two": _less_loaded, "bounded": _bounded}[rule](model, placed, places)
    for number in range(rounds):
        for stream in _shuffled(len(viewers), model.seed + number):
            watching = viewers[stream]
            part = watching * (number + 1) // rounds - watching * number // rounds
            if watching > model.viewers_per_edge:
                among = places.several(stream, watching)
                placed.large.setdefault(stream, set())
                for at in range(0, part, CHUNK_VIEWERS):
                    large(stream, min(CHUNK_VIEWERS, part - at), among)
            elif rule == "bounded":  # each viewer for themselves
                for at in range(0, part, CHUNK_VIEWERS):
                    small(stream, min(CHUNK_VIEWERS, part - at), ())
            elif part:
                small(stream, part, ())
    return placed


Put = Callable[[int, int, Sequence[int]], None]
"""Bring in a part of a stream's viewers; a large stream's may go to the edges named."""


def _one(model: Model, placed: Placed, places: Places) -> Put:
    """Its first edge, however full."""
    del model
    loads, used, pair = placed.loads, placed.used, places.pair

    def put(stream: int, part: int, _: Sequence[int]) -> None:
        loads[pair(stream, hash_of(stream))[0]] += part
        used[stream] = 1

    return put


def _two(model: Model, placed: Placed, places: Places) -> Put:
    """Its first edge, unless that is clearly fuller than its second."""
    slack, loads, used, pair = SLACK * model.capacity, placed.loads, placed.used, places.pair

    def put(stream: int, part: int, _: Sequence[int]) -> None:
        one, two = pair(stream, hash_of(stream))
        if loads[one] > loads[two] + slack:
            loads[two] += part
            used[stream] |= 2
        else:
            loads[one] += part
            used[stream] |= 1

    return put


def _bounded(model: Model, placed: Placed, places: Places) -> Put:
    """Along its order to an edge that is not above the bound, as HAProxy does."""
    loads, pair, edges = placed.loads, places.pair, model.edges

    def put(stream: int, part: int, among: Sequence[int]) -> None:
        placed.total += part
        limit = BOUND * placed.total / edges + part
        hashed = hash_of(stream)
        edge = chosen = pair(stream, hashed)[0]
        for _ in range(WALK_MAX):
            if loads[edge] + part <= limit:
                break
            hashed = hash_of(hashed)
            edge = pair(stream, hashed)[0]
        loads[edge] += part
        if not among and edge == chosen and stream not in placed.large:
            placed.used[stream] = 1
            return
        # On another edge than its first: noted as a large one's are.
        placed.large.setdefault(stream, {chosen} if placed.used[stream] else set()).add(edge)

    return put


def _any(model: Model, placed: Placed, places: Places) -> Put:
    """Any of its edges."""
    del places
    loads, large, random = placed.loads, placed.large, Random(model.seed)  # noqa: S311 - a simulation's

    def put(stream: int, part: int, among: Sequence[int]) -> None:
        edge = random.choice(among)
        loads[edge] += part
        large[stream].add(edge)

    return put


def _less_loaded(model: Model, placed: Placed, places: Places) -> Put:
    """Of two of its edges, the less loaded."""
    del places
    loads, large, random = placed.loads, placed.large, Random(model.seed)  # noqa: S311 - a simulation's

    def put(stream: int, part: int, among: Sequence[int]) -> None:
        one, two = random.choice(among), random.choice(among)
        edge = two if loads[two] < loads[one] else one
        loads[edge] += part
        large[stream].add(edge)

    return put


def _shuffled(count: int, seed: int) -> Iterator[int]:
    """Yield each number below ``count`` once, in an order that follows from ``seed``."""
    step = max(1, count * 618 // 1000) | 1
    while gcd(step, count) != 1:
        step += 2
    at = seed % count
    for _ in range(count):
        yield at
        at = (at + step) % count


def measure(model: Model, viewers: Sequence[int], places: Places, placed: Placed, rule: Rule) -> list[Result]:
    """Return what each feed costs on such a placement."""
    partitions = model.partitions
    whole = [0.0] * partitions  # bytes of each partition
    reads = [bytearray(partitions) for _ in range(model.edges)]
    channels, own = [0] * model.edges, [0.0] * model.edges
    for stream, watching in enumerate(viewers):
        size, partition = model.bytes_of(watching), stream % partitions
        whole[partition] += size
        large = placed.large.get(stream)
        if large is None:
            pair, used = places.pair(stream, hash_of(stream)), placed.used[stream]
            edges: Sequence[int] = pair if used == 3 else (pair[0] if used == 1 else pair[1],)
        else:
            edges = tuple(large)
        for edge in edges:
            channels[edge] += 1
            own[edge] += size
            reads[edge][partition] = 1
    of_partitions = [sum(size for size, read in zip(whole, row, strict=True) if read) for row in reads]
    counts = [sum(row) for row in reads]
    mean = fmean(placed.loads)
    shared: dict[str, object] = {
        "rule": rule,
        "edges": model.edges,
        "max_over_mean": max(placed.loads) / mean,
        "fullest": max(placed.loads) / model.capacity,
        "channels": sum(channels),
    }
    by_partition = "kafka" if places.cells is not None else "kafka without cells"
    found = [_result(shared, by_partition, counts, of_partitions)]
    if places.cells is None:
        found.append(_result(shared, "redis", channels, own))
    return found


def _result(shared: dict[str, object], feed: str, reads: Sequence[int], sizes: Sequence[float]) -> Result:
    return Result(
        **shared,  # type: ignore[arg-type]
        feed=feed,  # type: ignore[arg-type]
        reads_mean=fmean(reads),
        reads_max=max(reads),
        bytes_mean=fmean(sizes),
        bytes_max=max(sizes),
    )


def run(model: Model, told: Callable[[str], None] = lambda _: None) -> list[Result]:
    """Simulate every rule; ``told``: what is being done now."""
    told("audience")
    viewers = audience(model)
    found: list[Result] = []
    for cells, rules in ((True, ("one", "two")), (False, ("one", "two", "bounded"))):
        places = Places(model, cells=cells)
        for rule in rules:
            told(f"{rule} choice{' in cells' if cells else ''}")
            placed = place(model, viewers, places, rule)  # type: ignore[arg-type]
            found += measure(model, viewers, places, placed, rule)  # type: ignore[arg-type]
    return found


def moved_by_growth(model: Model, stream: int, sizes: Sequence[int], *, cells: bool) -> int:
    """Return how many viewers lost their edge while a stream grew through ``sizes``."""
    places = Places(model, cells=cells)
    moved, before = 0, list[int]()
    for size in sizes:
        now = places.several(stream, size)
        moved += sum(edge not in set(now) for edge in before) * model.viewers_per_edge
        before = now
    return moved
