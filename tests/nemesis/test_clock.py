"""Shifting one process's clock."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from livecomments.nemesis import clock

CODE = "import time; print(time.time(), time.monotonic())"
FOUND = clock.library()


@pytest.mark.skipif(
    FOUND is None, reason="libfaketime is not installed (Debian: faketime; Python: libfaketime)"
)
@pytest.mark.parametrize("seconds", [-3600, 0, 3600])
def test_a_process_sees_its_shift_and_its_monotonic_clock_does_not(tmp_path: Path, seconds: int) -> None:
    """What asyncio goes by stays right."""
    assert FOUND is not None
    shift = tmp_path / "shift"
    clock.write(shift, seconds)
    env = os.environ | clock.environment(FOUND, shift)
    answer = subprocess.run([sys.executable, "-S", "-c", CODE], env=env, capture_output=True, check=True)
    wall, monotonic = map(float, answer.stdout.split())
    assert abs(wall - time.time() - seconds) < 60
    assert abs(monotonic - time.monotonic()) < 60
