"""Documents against what there is: links lead somewhere, verbs and settings exist."""

import re
from pathlib import Path

import pytest

from livecomments.bench import BENCHES
from livecomments.cli import VERBS
from schemas.settings import environment_name, names

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
SETTINGS = {environment_name(path) for path in names()}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    """Every relative link names a file of the repository."""
    text = document.read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#\s]+)\)", text):
        if "://" not in target:
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_verbs_and_settings_exist(document: Path) -> None:
    """What a reader types is there: `livecomments VERB`, `bench NAME`, LIVECOMMENTS_… names."""
    text = document.read_text(encoding="utf-8")
    for verb in re.findall(r"(?:`|^\$ |bin/)livecomments ([a-z][a-z-]*)", text, re.MULTILINE):
        assert verb in VERBS, verb
    for bench in re.findall(r"livecomments bench ([a-z]+)", text):
        assert bench in BENCHES, bench
    for setting in re.findall(r"\bLIVECOMMENTS_[A-Z]+(?:__[A-Z_]+)?\b", text):
        assert setting.rstrip("_") in SETTINGS or setting.endswith("__"), setting


def test_the_readme_says_first_what_it_is() -> None:
    """The first screen: what, a picture that is there, the two commands."""
    first = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:14])
    assert "make run" in first
    assert "make test" in first
    picture = re.search(r"!\[[^\]]+\]\(([^)]+)\)", first)
    assert picture is not None
    assert (ROOT / picture[1]).is_file()
