"""`livecomments bench moderation`: the figures of issue 6 that depend on no clock."""

from pathlib import Path

import pytest

from livecomments.bench.moderation import DATA, Report, _benign, _recall, material
from schemas.filtering import WordList

RECALL_PERCENT_MIN = 99.0
FALSE_PERCENT_MAX = 0.1


def checked(data: Path) -> Report:
    given = material(data)
    report, words = Report(given.source), WordList(given.rules)
    _recall(report, words, given.words[:1_000], show=True)
    _benign(report, words, given.chat, show=True)
    return report


def test_made_words_are_found_in_every_disguise_and_made_chat_is_left_alone(tmp_path: Path) -> None:
    """Without the corpus, the bench makes lists and chat of its own."""
    report = checked(tmp_path)
    assert report.source == "made"
    assert {
        kind: share for kind, share in report.recall_percent.items() if share < RECALL_PERCENT_MIN
    } == {}, report.missed
    assert report.chat["beyond_percent"] <= FALSE_PERCENT_MAX, report.wrong


@pytest.mark.skipif(not (DATA / "words").is_dir(), reason="the corpus ../shared/data is not here")
def test_real_lists_are_found_in_every_disguise_and_real_chat_is_left_alone() -> None:
    """On real lists and logs: recall of 99% by kind, at most 0.1% found beyond plain whole words."""
    report = checked(DATA)
    assert report.source == "real"
    assert {
        kind: share for kind, share in report.recall_percent.items() if share < RECALL_PERCENT_MIN
    } == {}, report.missed
    assert report.chat["beyond_percent"] <= FALSE_PERCENT_MAX, report.wrong
