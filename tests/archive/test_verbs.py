"""The archive's verbs as a user types them: migrate, archive check and repair, erase."""

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from livecomments.exits import Exit
from schemas.archive.sqlite import SqliteArchive
from schemas.archive.sqlite_schema import MIGRATIONS
from schemas.settings import Archive
from tests.archive.events import comment, segment, stream_name
from tests.real import PORTS, RealStack, environment
from tests.servers import free_port
from tests.stack.helpers import wait_until

LIMIT_SECONDS = 60
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Return a function that runs a verb on a data directory, beside which no server runs."""
    base = str(free_port(PORTS))

    def verb(*arguments: str, said: str = "", **environ: str) -> "subprocess.CompletedProcess[str]":
        where = ("--data", str(tmp_path), "--port-base", base)
        return subprocess.run(
            [sys.executable, "-m", "livecomments", *arguments, *where],
            cwd=tmp_path,
            env=environment(**environ),
            input=said,
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )

    return verb


@pytest.fixture
async def file(tmp_path: Path) -> Path:
    """Return an archive with two streams of three users."""
    path = tmp_path / "archive.sqlite3"
    archive = SqliteArchive(path, Archive())
    await archive.open()
    for stream in ("one", "two"):
        await archive.write([segment(stream, [comment(seq) for seq in range(1, 10)])])
    await archive.close()
    return path


def test_migrate(run: Run, tmp_path: Path) -> None:
    """The first run makes the archive, the second finds it made."""
    done = run("migrate", "--json")
    assert json.loads(done.stdout) == {"kind": "sqlite", "done": [str(each) for each in MIGRATIONS]}
    assert (tmp_path / "archive.sqlite3").is_file()
    again = run("migrate")
    assert (again.returncode, again.stdout) == (0, "the archive's schema is this version's already\n")


def test_migrate_refuses_what_is_no_archive(run: Run, tmp_path: Path) -> None:
    """One line says which file and what to do."""
    (tmp_path / "archive.sqlite3").write_bytes(b"something else" * 100)
    done = run("migrate")
    assert done.returncode == Exit.FAILURE
    assert done.stderr.count("\n") == 1
    assert "archive.sqlite3: file is not a database" in done.stderr


def test_erase_asks_first(run: Run, file: Path) -> None:
    """Without a yes nothing is erased; with --yes it says how many events."""
    assert run("erase", "--user", "u1", said="n\n").returncode != 0
    done = run("erase", "--user", "u1", "--yes", "--json")
    assert json.loads(done.stdout) == {"user": "u1", "rows": 6}
    assert run("erase", "--user", "u1", said="y\n").stdout.endswith("0 events blanked\n")
    with closing(sqlite3.connect(file)) as opened:
        (left,) = opened.execute("SELECT count(*) FROM events WHERE text <> ''").fetchone()
    assert left == 12


@pytest.mark.parametrize(
    "verb", [("archive", "check", "s"), ("archive", "repair", "s"), ("erase", "--user", "u", "--yes")]
)
def test_without_an_archive(run: Run, verb: tuple[str, ...]) -> None:
    """Where there is no archive none is made, and the line says what to name."""
    done = run(*verb)
    assert done.returncode == Exit.NOT_RUNNING
    assert "there is no archive here; name its --data" in done.stderr


def test_without_a_log(run: Run, file: Path) -> None:
    """An archive beside which no Kafka runs cannot be checked."""
    done = run("archive", "check", "one")
    assert done.returncode == Exit.NOT_RUNNING
    assert "is the stack up?" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.integration
def test_on_a_real_stack(stack: RealStack) -> None:
    """Comments that were sent are in the archive as in the log; a lost row is found, and repaired."""
    stream = stream_name()
    for number in range(3):
        sent = stack.run("send", stream, f"said {number}", "--user", f"{stream}-{number}")
        assert sent.returncode == 0, sent.stderr

    def checked() -> Any:
        return json.loads(stack.run("archive", "check", stream, "--json").stdout or "{}")

    wait_until(lambda: checked().get("epochs", [{}])[0].get("archive_seq") == 3)
    found = checked()
    assert found["ok"]
    assert found["epochs"][0]["checked"] == 3
    with closing(sqlite3.connect(stack.data / "archive.sqlite3", timeout=LIMIT_SECONDS)) as opened, opened:
        opened.execute(
            "DELETE FROM events WHERE seq = 2 AND stream IN (SELECT id FROM streams WHERE stream_id = ?)",
            (stream,),
        )
    bad = stack.run("archive", "check", stream)
    assert bad.returncode == Exit.ANOMALIES
    assert "holes: [(1, 2)]: NOT as the log" in bad.stdout
    assert json.loads(stack.run("archive", "repair", stream, "--json").stdout)["written"] == 1
    assert checked()["ok"]
    erased = stack.run("erase", "--user", f"{stream}-0", "--yes", "--json")
    assert json.loads(erased.stdout)["rows"] == 1
    assert checked()["epochs"][0]["erased"] == 1
