"""What the tests' own stacks leave behind: nothing, even when the tests are killed."""

import signal
import subprocess
import sys
from pathlib import Path

from tests.real import ROOT, environment
from tests.stack.helpers import wait_until

CODE = """
import sys, time
from pathlib import Path
from tests.real import RealStack, _taken_down_without_us

class Stack(RealStack):
    def command(self, *arguments):
        return [sys.executable, "-c", f"open({sys.argv[1]!r}, 'w').write({' '.join(arguments)!r})"]

with _taken_down_without_us(Stack(1, Path(sys.argv[1]).parent)):
    print("up", flush=True)
    if sys.argv[2] == "stay":
        time.sleep(60)
"""


def run(told: Path, way: str) -> "subprocess.Popen[str]":
    """Start what has a stack, and return when it has."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(told), way], cwd=ROOT, env=environment(), text=True,
        stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def test_a_stack_of_tests_that_are_killed_is_taken_down(tmp_path: Path) -> None:
    """Six of them stood beside a day's measurements."""
    told = tmp_path / "told"
    with run(told, "stay") as process:
        process.send_signal(signal.SIGKILL)
        wait_until(lambda: told.exists() and told.read_text() == "down")


def test_a_stack_that_was_taken_down_is_left_alone(tmp_path: Path) -> None:
    """Its watcher ends with it, and does nothing."""
    told = tmp_path / "told"
    with run(told, "go") as process:
        assert process.wait(30) == 0
    assert not told.exists()
