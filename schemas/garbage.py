"""Python's search for cyclic garbage, set for a process that serves.

A step makes hundreds of thousands of dicts and drops them, an edge a task and some futures a comment; none is
in a cycle, nor are connections that ended (`tests/edge/test_garbage.py`). By default every 700 new objects
start a search, and now and then one through all there is. What was there at the start is not searched again,
the young rarely. It was 16% of the time of moderate and sequence (1,000 streams, 50 a record), and of that of
an edge with 5,000 viewers and 2,000 publishes a second. A young search begins when there are so many more
objects than after the last one; steps over many streams have 100,000 alive at a time, and were searched
through every time, for 8% of theirs.
"""

import gc
from typing import Final

YOUNG_OBJECTS: Final = 500_000
YOUNG_SEARCHES: Final = 20
"""Before the middle-aged are searched; and as often again before all."""


def settle() -> None:
    """Call once, when all is imported and built."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_SEARCHES, YOUNG_SEARCHES)
