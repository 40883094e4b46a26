"""What stands in `examples/` is what its scripts make, run as the README says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from livecomments.client.crowd import Shape, crowd
from tests.real import ROOT, environment

EXAMPLES = ROOT / "examples"
LIMIT_SECONDS = 120


def run(script: str, *arguments: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / script), *map(str, arguments)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run both scripts; return where the report is."""
    folder = tmp_path_factory.mktemp("examples")
    run("make_export.py", folder / "export")
    run("stream_report.py", folder / "export", folder / "report")
    return folder / "report"


def test_the_numbers_are_those_that_are_committed(made: Path) -> None:
    """All of them, from the seed through the stages, the archive and the export."""
    found, expected = (
        json.loads((folder / "report.json").read_text(encoding="utf-8"))
        for folder in (made, EXAMPLES / "report")
    )
    assert found == expected


def test_the_picture_is_drawn_from_them(made: Path) -> None:
    """What it says in words is what is committed."""
    found, expected = (
        [line.strip() for line in (folder / "report.svg").read_text("utf-8").splitlines() if "<text" in line]
        for folder in (made, EXAMPLES / "report")
    )
    assert [_words(line) for line in found] == [_words(line) for line in expected]
    assert any("comments by" in line for line in found)


def test_the_numbers_make_sense(made: Path) -> None:
    """Against what the crowd is known to say, without going through anything."""
    report = json.loads((made / "report.json").read_text(encoding="utf-8"))
    sent = sum(1 for _ in _said())
    totals, hidden = report["totals"], report["hidden"]
    assert totals["comments"] + hidden["hidden"] < sent  # spam is refused
    assert totals["comments"] + hidden["hidden"] > 0.95 * sent
    assert sum(row["comments"] for row in report["comments_per_minute"]) == totals["comments"]
    assert report["languages"][0]["language"] == "en"
    deleted = next(row["targets"] for row in report["moderation"] if row["type"] == "delete")
    assert hidden["hidden"] >= deleted > 0
    assert 50 < report["latency_ms"]["p50"] < report["latency_ms"]["p99"] < 2_000


def _said() -> "list[object]":
    found: list[object] = []
    for message in crowd(Shape(seed=7)):
        if message.t_ms >= 20 * 60 * 1000:
            return found
        found.append(message)
    raise AssertionError("a crowd never ends")


def _words(line: str) -> str:
    return line.partition(">")[2].partition("<")[0]
