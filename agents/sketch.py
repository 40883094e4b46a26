"""How many different users several edges have, from their sketches (`edge.presence` makes them)."""

from collections.abc import Iterable
from typing import Final

from datasketches import hll_sketch, hll_union

LG_K: Final = 12
"""4,096 registers, at most 2 KB a sketch: a standard error of 1.6%."""


def estimate(sketches: Iterable[bytes]) -> int:
    """Return how many different users are in any of ``sketches``; what is no sketch counts for nothing."""
    union = hll_union(LG_K)
    for sketch in sketches:
        try:
            union.update(hll_sketch.deserialize(sketch))
        except (RuntimeError, ValueError):
            continue
    return int(union.get_estimate() + 0.5)
