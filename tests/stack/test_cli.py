"""The command line as a program: its output, its lines on stderr, its exit codes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from livecomments.cli import VERBS, summary
from livecomments.exits import Exit, epilog
from tests.stack.helpers import free_port

LIMIT_SECONDS = 30


def run(directory: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    """Run ``livecomments`` in a directory."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("LIVECOMMENTS_")}
    path = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-m", "livecomments", *arguments],
        cwd=directory,
        env=clean | {"PYTHONPATH": path, "COLUMNS": "100"} | environ,
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )


def test_help(tmp_path: Path) -> None:
    """``--help`` names every verb and every exit code, and imports no verb's module to do so."""
    shown = run(tmp_path, "--help")
    assert shown.returncode == Exit.OK
    for verb in VERBS:
        assert f"│ {verb} " in shown.stdout
    for code in Exit:
        assert code.meaning in shown.stdout
        assert f"{code.value:>3}  {code.meaning}" in epilog()


@pytest.mark.parametrize("verb", ["up", "down", "status", "doctor"])
def test_verb_help(tmp_path: Path, verb: str) -> None:
    """A verb's help begins with its summary, which ``--help`` shows too."""
    shown = run(tmp_path, verb, "--help")
    assert shown.returncode == Exit.OK
    assert summary(VERBS[verb]).split()[0] in shown.stdout
    assert "--port-base" in shown.stdout


def test_unknown_verb(tmp_path: Path) -> None:
    """An unknown verb is wrong usage."""
    assert run(tmp_path, "upp").returncode == Exit.USAGE


def test_down_without_a_stack(tmp_path: Path) -> None:
    """``down`` where nothing runs says so and succeeds."""
    done = run(tmp_path, "down", "--port-base", "20400")
    assert (done.returncode, done.stdout) == (0, f"nothing runs in {tmp_path}/data-20400\n")
    assert list(tmp_path.iterdir()) == []


def test_status_without_a_stack(tmp_path: Path) -> None:
    """``status --json`` where nothing runs lists what should, without a process."""
    done = run(tmp_path, "status", "--json", "--port-base", "20400")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert set(found) == {"ready", "services"}
    assert found["ready"] is False
    assert [each["name"] for each in found["services"]] == [
        *("kafka", "redis", "ingest", "moderate", "sequence", "sample", "persist", "edge", "api")
    ]
    assert found["services"][0] == {
        "name": "kafka",
        "pid": None,
        "address": "127.0.0.1:20402",
        "ready": False,
        "restarts": 0,
    }


def test_bad_setting(tmp_path: Path) -> None:
    """A setting that does not exist stops the start with its name and a code of its own."""
    done = run(tmp_path, "up", LIVECOMMENTS_EDGE__WINDOW="50")
    assert done.returncode == Exit.SETTINGS
    assert done.stderr.count("\n") == 1
    assert "LIVECOMMENTS_EDGE__WINDOW: there is no such setting" in done.stderr


def test_bad_workers(tmp_path: Path) -> None:
    """A stage that does not exist is wrong usage, and the line says what may be written."""
    done = run(tmp_path, "up", "--workers", "gather=2")
    assert done.returncode == Exit.USAGE
    assert "STAGE of ingest, moderate" in done.stderr


def test_taken_port(tmp_path: Path) -> None:
    """``up`` on a taken port fails with one clear line and starts nothing."""
    base = free_port()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", base + 1))
        listener.listen(1)
        done = run(tmp_path, "up", "--detach", "--port-base", str(base))
    assert done.returncode == Exit.PORT_TAKEN
    assert done.stderr.count("\n") == 1
    assert f"port {base + 1}, wanted by api, is taken" in done.stderr


def test_unwritable_directory(tmp_path: Path) -> None:
    """A data directory that cannot be made is one line."""
    (tmp_path / "file").touch()
    done = run(tmp_path, "up", "--data", "file/data", "--port-base", "20400")
    assert done.returncode == Exit.FAILURE
    assert done.stderr.count("\n") == 1


def test_doctor(tmp_path: Path) -> None:
    """``doctor --json`` lists its findings; a taken port is one, with how to mend it."""
    base = free_port()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", base))
        listener.listen(1)
        done = run(tmp_path, "doctor", "--json", "--port-base", str(base))
    found = json.loads(done.stdout)
    assert done.returncode == Exit.UNHEALTHY
    assert found["ok"] is False
    bad = next(each for each in found["checks"] if each["name"] == f"port {base}")
    assert bad["ok"] is False
    assert "--port-base" in bad["mend"]
