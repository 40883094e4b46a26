"""How many comments were said when: counts in equal parts of a stream's time, out of the archive.

Counted one by one where the stream is short. Of a long one each part's numbers are found by its times, and
the share of them that may be seen (comments, less what was deleted) by reading its first `PROBE_SEQS`: the
cost is bounded by the number of parts, whatever the stream's length.
"""

import asyncio
from collections import Counter, OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any, Final

from schemas.archive import PAGE_EVENTS_MAX, Archive

BUCKETS_MAX: Final = 200
PROBE_SEQS: Final = PAGE_EVENTS_MAX
EXACT_SEQS_MAX: Final = 20_000
"""Of a stream whose comments are counted one by one."""
READS_AT_ONCE: Final = 4
KEPT_SECONDS: Final = 10.0
"""For which an answer is kept: nobody sees a bar grow sooner."""
KEPT_MAX: Final = 256


@dataclass(frozen=True, slots=True)
class Extent:
    """What the archive has of a stream's epoch: numbers, and their times in ms since 1970."""

    epoch: str
    first_seq: int
    last_seq: int
    starts_at: int
    ends_at: int

    @property
    def view(self) -> dict[str, Any]:
        """As viewers and API clients see it."""
        return {"epoch": self.epoch, "starts_at": self.starts_at, "ends_at": self.ends_at}


@dataclass(frozen=True, slots=True)
class Histogram:
    """``counts``: comments in parts of ``bucket_ms`` from the first event on; estimated unless ``exact``."""

    extent: Extent
    bucket_ms: int
    counts: Sequence[int]
    exact: bool

    @property
    def view(self) -> dict[str, Any]:
        """As viewers and API clients see it."""
        more = {"bucket_ms": self.bucket_ms, "counts": list(self.counts), "exact": self.exact}
        return self.extent.view | more


class Kept:
    """Answers of the last seconds. ``now``: seconds, monotonic."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._kept: OrderedDict[Hashable, tuple[float, Histogram]] = OrderedDict()

    def get(self, key: Hashable) -> Histogram | None:
        """Return what is kept."""
        at, found = self._kept.get(key, (0.0, None))
        return found if self._now() - at < KEPT_SECONDS else None

    def put(self, key: Hashable, made: Histogram) -> Histogram:
        """Keep and return."""
        self._kept[key] = self._now(), made
        self._kept.move_to_end(key)
        if len(self._kept) > KEPT_MAX:
            self._kept.popitem(last=False)
        return made


def width_ms(extent: Extent, buckets: int) -> int:
    """Return how long a part is, so that ``buckets`` of them hold the whole stream, its last moment too."""
    return (extent.ends_at - extent.starts_at) // buckets + 1


async def count(archive: Archive, stream_id: str, extent: Extent, buckets: int) -> Histogram:
    """Count. Raises ArchiveUnavailable."""
    probe = _Probe(archive, stream_id, extent.epoch)
    width = width_ms(extent, buckets)
    exact = extent.last_seq - extent.first_seq < EXACT_SEQS_MAX
    if exact:
        starts = [*range(extent.first_seq, extent.last_seq + 1, PROBE_SEQS), extent.last_seq + 1]
        times = await asyncio.gather(*(probe.times(first, end) for first, end in pairwise(starts)))
        found = Counter((at - extent.starts_at) // width for part in times for at in part)
        # A broker's clock that went back may put a comment before the first.
        counts = [found[at] for at in range(buckets)]
        return Histogram(extent, width, counts, exact=True)
    edges = [extent.starts_at + at * width for at in range(1, buckets)]
    firsts = await asyncio.gather(*(probe.first(at, extent.last_seq + 1) for at in edges))
    starts = [*accumulate([extent.first_seq, *firsts], max), extent.last_seq + 1]
    counts = await asyncio.gather(*(probe.estimate(first, end) for first, end in pairwise(starts)))
    return Histogram(extent, width, counts, exact=False)


class _Probe:
    """Questions to the archive about one stream, a few at once."""

    def __init__(self, archive: Archive, stream_id: str, epoch: str) -> None:
        self._archive = archive
        self._stream_id = stream_id
        self._epoch = epoch
        self._turns = asyncio.Semaphore(READS_AT_ONCE)

    async def times(self, first: int, end: int) -> list[int]:
        """Return when the comments of [``first``, ``end``), `PROBE_SEQS` at most, were said."""
        async with self._turns:
            page = await self._archive.read(
                self._stream_id, from_seq=first, to_seq=end - 1, limit=PROBE_SEQS, epoch=self._epoch
            )
        return [event["at"] for event in page.events] if page is not None else []

    async def first(self, at: int, none: int) -> int:
        """Return the first number at or after a time; ``none``: there is none."""
        async with self._turns:
            found = await self._archive.seq_at(self._stream_id, at, self._epoch)
        return none if found is None else found

    async def estimate(self, first: int, end: int) -> int:
        """Return about how many comments of [``first``, ``end``) may be seen."""
        if first >= end:
            return 0
        looked = min(end - first, PROBE_SEQS)
        return round(len(await self.times(first, first + looked)) * (end - first) / looked)
