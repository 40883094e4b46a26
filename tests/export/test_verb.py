"""`livecomments export` as a user types it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from livecomments.exits import Exit
from schemas.archive import Archive
from tests.export.helpers import SHOWN_ROWS, contents, lines
from tests.real import PORTS, ROOT, RealStack, environment
from tests.servers import free_port
from tests.stack.helpers import wait_until

LIMIT_SECONDS = 60
Run = Callable[..., "subprocess.CompletedProcess[str]"]


def command(data: Path, *arguments: str) -> list[str]:
    where = ("--data", str(data), "--port-base", str(free_port(PORTS)))
    return [sys.executable, "-m", "livecomments", "export", *arguments, *where]


@pytest.fixture
def run(archive: Archive, tmp_path: Path) -> Run:
    """Return a function that exports from the archive in ``tmp_path``, beside which no server runs."""

    def verb(*arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            command(tmp_path, *arguments),
            cwd=tmp_path,
            env=environment(**environ),
            capture_output=True,
            text=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )

    return verb


def test_it_says_what_it_wrote(run: Run, tmp_path: Path) -> None:
    """A line for people, JSON for machines; a second run finds it done."""
    done = run("--out", "out", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"out: {SHOWN_ROWS} rows, 0.")
    assert done.stderr.startswith("livecomments: no log at")
    assert done.stderr.count("\n") == 1
    again = run("--out", "out", "--format", "csv", "--json")
    said = json.loads(again.stdout)
    assert {name: said[name] for name in ("directory", "format", "rows", "parts")} == {
        "directory": "out",
        "format": "csv",
        "rows": SHOWN_ROWS,
        "parts": 1,
    }


def test_a_killed_export_goes_on(run: Run, tmp_path: Path) -> None:
    """Whenever it was killed, the files are those of one that was left alone."""
    options = ("--format", "jsonl", "--until", "2030-01-01")
    assert run("--out", "whole", *options).returncode == 0
    with subprocess.Popen(
        command(tmp_path, "--out", "out", *options),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        wait_until((tmp_path / "out" / "_export.json").exists)
        process.kill()
    assert run("--out", "out", *options).returncode == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("nobody",), Exit.FAILURE, "the archive knows no stream nobody"),
        (("--since", "2024-10-05", "--until", "2024-10-04"), Exit.USAGE, "the range is reversed or empty"),
        (("--since", "soon"), Exit.USAGE, "--since: 'soon' is no time: write 2026-11-25"),
        (("--out", "archive.sqlite3"), Exit.FAILURE, "cannot be written"),
        (("--out", "."), Exit.FAILURE, "it is not empty, and no export: name another"),
    ],
)
def test_errors(run: Run, tmp_path: Path, arguments: tuple[str, ...], code: Exit, said: str) -> None:
    """One line, a code, and nothing half-done."""
    out = () if "--out" in arguments else ("--out", "out")
    done = run(*arguments, *out)
    assert done.returncode == code
    line = [each for each in done.stderr.splitlines() if "no log at" not in each]
    assert len(line) == 1
    assert said in line[0]
    assert not (tmp_path / "out").exists()


def test_without_pyarrow(run: Run, tmp_path: Path) -> None:
    """Parquet says what to install; the other formats need nothing."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import importlib.util as u\nf = u.find_spec\n"
        "u.find_spec = lambda name, package=None: None if name == 'pyarrow' else f(name, package)\n"
    )
    path = f"{hidden}:{ROOT}"
    done = run("--out", "out", PYTHONPATH=path)
    assert done.returncode == Exit.MISSING_PACKAGE
    assert "pip install 'livecomments[export]'" in done.stderr
    assert run("--out", "out", "--format", "csv", PYTHONPATH=path).returncode == 0


@pytest.mark.integration
def test_what_was_just_deleted_is_not_in_it(stack: RealStack, tmp_path: Path) -> None:
    """On a real stack the export waits until the archive is where the log is."""
    stream = f"exported-{tmp_path.name}"
    for number in range(3):
        sent = stack.run("send", stream, f"said {number}", "--user", f"{stream}-{number}", "--json")
        assert sent.returncode == 0, sent.stderr
        last = json.loads(sent.stdout)["id"]
    deleted = stack.run("mod", "delete", stream, last)
    assert deleted.returncode == 0, deleted.stderr
    done = stack.run("export", stream, "--out", str(tmp_path / "out"), "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    found = lines(tmp_path / "out")
    texts = [each["text"] for each in found if each["type"] == "comment"]
    assert "said 2" not in texts
    assert done.stderr == ""
