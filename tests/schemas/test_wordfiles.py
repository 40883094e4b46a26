"""The platform's lists in files: read, joined, and refused with the place where they are not text."""

from pathlib import Path

import pytest

from schemas import wordfiles
from schemas.settings import Moderation, SettingsError


def test_without_settings_the_shipped_list_is_taken() -> None:
    """A short list of plain words."""
    assert "bullshit" in wordfiles.read(Moderation())


def test_a_file_and_a_folder_are_joined_without_repeats(tmp_path: Path) -> None:
    """Remarks and rules that are none are left out; a byte-order mark is none of the text."""
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "de.txt").write_text("mist\nheck\n", encoding="utf-8")
    (tmp_path / "lists" / "notes.md").write_text("ignored", encoding="utf-8")
    file = tmp_path / "own.txt"
    file.write_text("\ufeffheck\n# remark\na\n", encoding="utf-8")
    found = wordfiles.read(Moderation(words_file=file, words_dir=tmp_path / "lists"))
    assert found == ("heck", "mist")


def test_what_is_no_utf8_stops_the_start(tmp_path: Path) -> None:
    """With the file and the byte."""
    file = tmp_path / "latin1.txt"
    file.write_bytes("fünf".encode("latin-1"))
    with pytest.raises(SettingsError, match=r"latin1\.txt is not UTF-8 at byte 1"):
        wordfiles.read(Moderation(words_file=file))


@pytest.mark.parametrize(
    "moderation", [Moderation(words_file=Path("/no/such")), Moderation(words_dir=Path("/no"))]
)
def test_what_is_not_there_stops_the_start(moderation: Moderation) -> None:
    """A missing file or folder is the operator's to mend."""
    with pytest.raises(SettingsError, match="/no"):
        wordfiles.read(moderation)
