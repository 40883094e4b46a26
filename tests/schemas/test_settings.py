"""The environment over the file; mistakes stop the start with their names."""

from pathlib import Path

import pytest

from schemas.settings import Settings, SettingsError, environment_name, load, names


def test_defaults_need_nothing(tmp_path: Path) -> None:
    """An empty environment and no file give the documented defaults."""
    settings = load({}, tmp_path)
    assert settings == Settings()
    assert (settings.edge.port, settings.api.port, settings.edge.window_ms) == (8000, 8001, 50)
    assert settings.sampling.viewers_threshold == 100_000
    assert settings.limits.comments_per_second == 2


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """A value in the environment replaces the file's; others of the section stay."""
    (tmp_path / "livecomments.toml").write_text(
        '[edge]\nport = 9000\nwindow_ms = 10\norigins = ["https://a"]\n'
    )
    settings = load({"LIVECOMMENTS_EDGE__PORT": "9100", "HOME": "/"}, tmp_path)
    assert (settings.edge.port, settings.edge.window_ms) == (9100, 10)
    assert settings.edge.origins == ("https://a",)


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({"LIVECOMMENTS_EDGE__WINDOWMS": "5"}, "did you mean LIVECOMMENTS_EDGE__WINDOW_MS?"),
        ({"LIVECOMMENTS_EDGE__WINDOW_MS": "fast"}, "edge.window_ms (LIVECOMMENTS_EDGE__WINDOW_MS)"),
        ({"LIVECOMMENTS_EDGE__PORT": "70000"}, "less than or equal to 65535"),
        ({"LIVECOMMENTS_ARCHIVE__KIND": "postgres"}, "'sqlite' or 'cassandra'"),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(environ: dict[str, str], said: str, tmp_path: Path) -> None:
    """One line: which setting, and what may stand there."""
    with pytest.raises(SettingsError) as caught:
        load(environ, tmp_path)
    assert said in str(caught.value)


def test_a_secret_is_not_repeated(tmp_path: Path) -> None:
    """A bad secret is refused without being printed."""
    with pytest.raises(SettingsError) as caught:
        load({"LIVECOMMENTS_AUTH__SECRET": "hunter2"}, tmp_path)
    assert "hunter2" not in str(caught.value)
    assert "auth.secret" in str(caught.value)


def test_an_unknown_name_in_the_file_is_refused(tmp_path: Path) -> None:
    """A typing mistake in the file is no silent default."""
    (tmp_path / "livecomments.toml").write_text("[edge]\nprot = 9000\n")
    with pytest.raises(SettingsError, match=r"edge\.prot: there is no such setting; did you mean edge\.port"):
        load({}, tmp_path)


def test_every_setting_has_a_name_in_the_environment(tmp_path: Path) -> None:
    """Names are distinct, and each is taken."""
    every = [environment_name(path) for path in names()]
    assert len(set(every)) == len(every)
    assert "LIVECOMMENTS_LIMITS__COMMENTS_PER_SECOND" in every
