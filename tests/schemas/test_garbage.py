"""How a worker has its garbage searched for."""

import gc
import subprocess
import sys

CODE = """
import gc
from schemas import garbage
kept = [[] for _ in range(1000)]
garbage.settle()
print(gc.get_freeze_count() >= 1000, gc.isenabled(), gc.get_threshold()[0] == garbage.YOUNG_OBJECTS)
ring = []
ring.append(ring)
del ring
print(gc.collect() > 0)
"""


def test_what_is_built_is_left_alone_and_cycles_are_still_found() -> None:
    """The search goes on, for what is new; in a process of its own, for it is the whole process's."""
    before = gc.get_threshold()
    ran = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=True)
    assert ran.stdout.split() == ["True"] * 4
    assert gc.get_threshold() == before
