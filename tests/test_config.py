"""`livecomments config`: every setting is documented, and the file that is written is a valid one."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from livecomments.config import app, document, every
from schemas.settings import DEVELOPMENT_SECRET, SettingsError, load, names

RUN = CliRunner()


def test_every_setting_is_explained() -> None:
    """None is missing, and none is without words."""
    found = {each.path: each for each in every()}
    assert set(found) == set(names())
    assert [each.name for each in found.values() if not each.doc] == []


def test_the_file_says_the_defaults(tmp_path: Path) -> None:
    """Without its comment signs it is valid, and changes nothing."""
    text = re.sub(r"^# (\w+ = .+)$", r"\1", document(), flags=re.MULTILINE)
    assert tomllib.loads(text)["edge"]["window_ms"] == 50
    (tmp_path / "livecomments.toml").write_text(text, encoding="utf-8")
    assert load({}, tmp_path) == load({}, tmp_path / "nowhere")
    assert DEVELOPMENT_SECRET not in document()


def test_it_is_written_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What somebody changed is not overwritten unless they say so."""
    monkeypatch.chdir(tmp_path)
    assert RUN.invoke(app, ["init"]).exit_code == 0
    again = RUN.invoke(app, ["init"])
    assert "is there already" in str(again.exception)
    assert RUN.invoke(app, ["init", "--force"]).exit_code == 0


def test_what_holds_is_shown_with_where_it_comes_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """File, environment or default; secrets never."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "livecomments.toml").write_text(
        '[edge]\nwindow_ms = 20\n[auth]\nsecret = "' + "s" * 40 + '"\n'
    )
    monkeypatch.setenv("LIVECOMMENTS_API__PORT", "9001")
    shown = RUN.invoke(app, ["show"]).stdout
    assert re.search(r"^edge\.window_ms +20 +livecomments\.toml$", shown, re.MULTILINE)
    assert re.search(r"^api\.port +9001 +environment$", shown, re.MULTILINE)
    assert re.search(r"^edge\.port +8000$", shown, re.MULTILINE)
    assert "ssss" not in shown
    values = json.loads(RUN.invoke(app, ["show", "--json"]).stdout)
    assert values["edge.window_ms"] == 20
    assert values["auth.secret"] == "…"


def test_a_bad_file_does_not_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check names what is wrong."""
    monkeypatch.chdir(tmp_path)
    assert RUN.invoke(app, ["check"]).stdout == "the settings are valid\n"
    (tmp_path / "livecomments.toml").write_text("[edge]\nwindow_ms = -1\n")
    assert isinstance(RUN.invoke(app, ["check"]).exception, SettingsError)
