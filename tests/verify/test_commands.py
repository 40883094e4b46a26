"""``livecomments verify`` as a script sees it."""

import json
from pathlib import Path

from typer.testing import CliRunner

from livecomments.cli import app
from livecomments.exits import Exit
from livecomments.verify.facts import Fact
from livecomments.verify.files import to_line
from tests.verify.histories import history
from tests.verify.plants import duplicate_to_viewer

LEAST = ["--deliveries", "10", "--publishes", "10"]


def written(path: Path, facts: list[Fact]) -> str:
    path.write_text("\n".join(map(to_line, facts)) + "\n", encoding="utf-8")
    return str(path)


def test_a_clean_history_exits_with_0_and_says_what_it_supports(tmp_path: Path) -> None:
    """The JSON has counts and the bound."""
    file = written(tmp_path / "facts.jsonl", history(11))
    result = CliRunner().invoke(app, ["verify", file, *LEAST, "--json"])
    assert result.exit_code == Exit.OK
    answer = json.loads(result.stdout)
    assert answer["ok"] is True
    assert answer["counts"]["deliveries"] > 100
    assert "95%" in answer["bound"]


def test_anomalies_have_a_code_of_their_own_and_examples(tmp_path: Path) -> None:
    """A duplicate is reported with where it was."""
    file = written(tmp_path / "facts.jsonl", duplicate_to_viewer(history(11)))
    result = CliRunner().invoke(app, ["verify", file, *LEAST, "--json"])
    assert result.exit_code == Exit.ANOMALIES
    assert json.loads(result.stdout)["anomalies"]["duplicate"]["examples"]
    for_people = CliRunner().invoke(app, ["verify", file, *LEAST])
    assert "| duplicate | 1 |" in for_people.stdout


def test_too_little_is_a_failure_with_another_code(tmp_path: Path) -> None:
    """Nothing found in next to nothing is no result."""
    file = written(tmp_path / "facts.jsonl", history(11))
    assert CliRunner().invoke(app, ["verify", file, "--faults", "1000"]).exit_code == Exit.TOO_LITTLE
    assert CliRunner().invoke(app, ["verify", file]).exit_code == Exit.TOO_LITTLE


def test_a_file_that_is_no_history_names_the_line(tmp_path: Path) -> None:
    """Rubbish ends in one line that says where it is."""
    path = tmp_path / "facts.jsonl"
    path.write_text(to_line(history(11)[0]) + "\nrubbish\n", encoding="utf-8")
    result = CliRunner().invoke(app, ["verify", str(path)])
    assert getattr(result.exception, "code", None) == Exit.BAD_FILE
    assert ":2:" in str(result.exception)
