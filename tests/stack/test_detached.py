"""The supervisor as a process of its own, and ``livecomments down``."""

import os
import signal
from pathlib import Path

import pytest

from livecomments.exits import Exit, Failure
from livecomments.stack import launch, state
from livecomments.stack.processes import is_alive
from livecomments.stack.supervisor import Event
from tests.stack.helpers import plan, processes, service, wait_until


def test_down(tmp_path: Path) -> None:
    """``down`` ends the supervisor and all it runs; a second ``down`` finds nothing."""
    events: list[Event] = []
    launch.run_detached(plan(tmp_path, service(tmp_path, "edge"), service(tmp_path, "api")), events.append)
    assert events[-1].kind == "up"
    found = state.running(tmp_path)
    assert found is not None
    assert sorted(launch.stop(tmp_path)) == ["api", "edge"]
    assert not any(is_alive(each) for each in found.processes())
    assert launch.stop(tmp_path) == []


def test_supervisor_killed(tmp_path: Path) -> None:
    """A supervisor killed with SIGKILL takes its services with it."""
    launch.run_detached(plan(tmp_path, service(tmp_path, "edge"), service(tmp_path, "api")), lambda _: None)
    found = state.running(tmp_path)
    assert found is not None
    os.kill(found.supervisor.pid, signal.SIGKILL)
    wait_until(lambda: not any(is_alive(each) for each in found.processes()))
    assert state.running(tmp_path) is None
    assert launch.stop(tmp_path) == []
    assert not (tmp_path / state.FILE_NAME).exists()


def test_failure(tmp_path: Path) -> None:
    """A start that fails in the detached supervisor fails here with the same line and code."""
    with pytest.raises(Failure, match="edge ended 3 times") as caught:
        launch.run_detached(plan(tmp_path, service(tmp_path, "edge", "broken")), lambda _: None)
    assert caught.value.code == Exit.NOT_READY
    assert caught.value.details == ("this is the last line",) * 3
    assert processes(tmp_path) == {}
    assert state.read(tmp_path) is None


def test_two_stacks(tmp_path: Path) -> None:
    """Stopping one of two stacks leaves the other alone."""
    one, two = tmp_path / "one", tmp_path / "two"
    for directory in (one, two):
        launch.run_detached(plan(directory, service(directory, "edge")), lambda _: None)
    try:
        launch.stop(one)
        assert processes(one) == {}
        assert set(processes(two)) == {"edge"}
    finally:
        launch.stop(two)
