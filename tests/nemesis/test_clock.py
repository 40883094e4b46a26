"""Shifting one process's clock."""

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
    file = tmp_path / "clock.sh"
    clock.load(file, FOUND, shift)
    clock.write(shift, seconds)
    argv = clock.wrapped((sys.executable, "-S", "-c", CODE), file)
    answer = subprocess.run(argv, capture_output=True, check=True)
    wall, monotonic = map(float, answer.stdout.split())
    assert abs(wall - time.time() - seconds) < 60
    assert abs(monotonic - time.monotonic()) < 60


def test_without_the_file_a_process_is_left_alone(tmp_path: Path) -> None:
    """Only what is loaded on purpose is loaded, and arguments arrive as they are."""
    code = "import os, sys; print(os.environ.get('LD_PRELOAD'), sys.argv[1:])"
    argv = clock.wrapped((sys.executable, "-S", "-c", code, "a b", "$c"), tmp_path / "none.sh")
    answer = subprocess.run(argv, capture_output=True, check=True, text=True)
    assert answer.stdout.strip() == "None ['a b', '$c']"
