"""How many comments a lane gets in a window, and which of them. Pure; no state.

A viewer belongs to one of 64 lanes (`edge.audience.lane_of`); an event's mask has one bit a lane. A lane's
slots follow from the window's number alone: ⌊(w+1)ρ+φ⌋ − ⌊wρ+φ⌋ of them in window w, ρ being a window's
share of the rate and φ the lane's phase, so that any second has the same number and the lanes take turns.
One slot that was not used in the last second is carried over, so no second has more than one too many. A
quarter of the rate goes to all lanes together; what exceeds it there is taken from each lane's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import shake_128
from math import ceil, floor
from typing import Final, NamedTuple

WINDOW_MS: Final = 250
LANES: Final = 64
MASK_ALL: Final = -1
ALL: Final = (1 << LANES) - 1
SHARE_OF_ALL: Final = 0.25
"""Of the rate: for comments that go to every lane."""
CARRIED_MAX: Final = 1
SPAN_WINDOWS_MIN: Final = 1000 // WINDOW_MS
SPAN_WINDOWS_MAX: Final = 64
"""At the lowest rates a slot comes once in many windows; it is kept for 16 s at most."""


class Counts(NamedTuple):
    """Comments shown in one window: on all lanes, and on each alone."""

    on_all: int
    on_lane: Sequence[int]


class Room(NamedTuple):
    """Slots that are free in a window: for all lanes together, and of each lane."""

    for_all: int
    of_lane: Sequence[int]


def span_of(rate: float) -> int:
    """Return how many windows back unused slots count: a second, or as long as it takes for one to come."""
    return min(max(SPAN_WINDOWS_MIN, ceil(1 / (rate * SHARE_OF_ALL * WINDOW_MS / 1000))), SPAN_WINDOWS_MAX)


def room(window: int, rate: float, before: Sequence[Counts], now: Counts) -> Room:
    """Return what is free in ``window`` at ``rate`` comments a viewer and second.

    ``before``: the windows in front of it, oldest first; ``now``: what it has shown already.
    """
    share = rate * SHARE_OF_ALL * WINDOW_MS / 1000
    own = rate * WINDOW_MS / 1000 - share
    all_carried, carried = 0, [0] * LANES
    for at, counts in enumerate(before, start=window - len(before)):
        left = all_carried + _slots(at, share, 0.0) - counts.on_all
        over, all_carried = max(0, -left), min(CARRIED_MAX, max(0, left))
        carried = [
            min(CARRIED_MAX, max(0, have + _slots(at, own, lane / LANES) - over - used))
            for lane, (have, used) in enumerate(zip(carried, counts.on_lane, strict=True))
        ]
    for_all = all_carried + _slots(window, share, 0.0) - now.on_all
    over = max(0, -for_all)
    of_lane = [
        max(0, have + _slots(window, own, lane / LANES) - over - used)
        for lane, (have, used) in enumerate(zip(carried, now.on_lane, strict=True))
    ]
    return Room(max(0, for_all), of_lane)


def _slots(window: int, rho: float, phase: float) -> int:
    return floor((window + 1) * rho + phase) - floor(window * rho + phase)


def permuted(secret: bytes, stream_id: str, window: int) -> list[int]:
    """Return the lanes in the order in which this window deals to them."""
    digest = shake_128(secret + f"{stream_id}\0{window}".encode()).digest(2 * LANES)
    places = [int.from_bytes(digest[2 * lane : 2 * lane + 2]) for lane in range(LANES)]
    return sorted(range(LANES), key=places.__getitem__)


def deal(
    authors: Sequence[str], free: Sequence[int], order: Sequence[int], had: Mapping[str, int]
) -> list[int]:
    """Deal lanes to candidates, best first; return each one's lanes as an unsigned mask, 0: none.

    With no more candidates than slots each takes an equal whole share of them, so that few candidates are
    seen by all (what is left over is carried, for a window with more); with more, each takes one until none
    is left. Lanes that have waited come first. No candidate is on a lane twice, and no author on a
    lane that has had them.

    Args:
        authors: of the candidates, in the order of their keys.
        free: slots of each lane.
        order: of the lanes, see `permuted`.
        had: author → lanes that have shown them within the cap's time.

    """
    deepest = max(free, default=0)
    queue = [lane for depth in range(deepest, 0, -1) for lane in order if free[lane] >= depth]
    quota = min(max(len(queue) // max(len(authors), 1), 1), LANES)
    had = dict(had)
    masks = [0] * len(authors)
    for place, author in enumerate(authors):
        if not queue:
            break
        wanted, mask = quota, 0
        shut = had.get(author, 0)
        left = []
        for at, lane in enumerate(queue):
            if (shut | mask) >> lane & 1:
                left.append(lane)
                continue
            mask |= 1 << lane
            wanted -= 1
            if not wanted:
                left += queue[at + 1 :]
                break
        queue = left
        masks[place] = mask
        had[author] = shut | mask
    return masks


def signed(mask: int) -> int:
    """Return a mask of 64 bits as the signed long that the records hold."""
    return mask - (1 << LANES) if mask >> (LANES - 1) & 1 else mask


def lanes_of(mask: int) -> Iterator[int]:
    """Yield the lanes of a mask, signed or not."""
    mask &= ALL
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low
