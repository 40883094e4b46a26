"""How items look on a terminal."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomments.client.items import Missed, Seen, State
from livecomments.client.position import Hole, Position
from livecomments.client.tailing import document
from livecomments.client.text import line_of, plain


def comment(**changes: Any) -> dict[str, Any]:
    user = {"id": "ana", "name": "Ana", "role": "viewer"}
    return {"type": "comment", "seq": 7, "id": "x", "user": user, "text": "olá 🎉", "at": 1_000} | changes


@given(st.text())
def test_plain(text: str) -> None:
    """Nothing that was written moves the cursor, breaks the line or turns its direction."""
    for char in plain(text):
        assert unicodedata.category(char) not in {"Cc", "Zl", "Zp"}
        assert char not in "\u202e\u2066\u200f"


def test_emoji_stay_whole() -> None:
    """Joined emoji are not taken apart."""
    assert plain("👩‍🚀 ok") == "👩‍🚀 ok"


def test_comment() -> None:
    """A comment's line has its seq, its author, their badge and the text."""
    line = line_of(Seen("e-0", comment(user={"id": "n", "name": "Nova", "role": "creator"}, copies=3))).plain
    assert line.split()[0] == "7"
    for part in ("creator", "Nova", "olá 🎉", "×3"):
        assert part in line


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (Seen("e-0", {"type": "ban", "seq": 9, "target": "eve", "seconds": 60}), "— ban eve 60"),
        (Missed("e-0", Hole(4, 9, "window")), "5 events not shown: 5 to 9 (window)"),
        (Missed("e-0", Hole(4, 5, "gap")), "1 event not shown"),
        (Missed("e-0", Hole(5, 5, "unknown")), "not known whether"),
        (Missed("e-1", Hole(0, 5, "epoch")), "starts anew"),
        (State("connecting", "shutdown"), "the connection is away (shutdown)"),
        (State("resumed", position=Position("e-0", 12)), "resumed at 12 in epoch e-0"),
    ],
)
def test_other_lines(item: Any, words: str) -> None:
    """Moderators' events, holes and states have words."""
    assert words in line_of(item).plain


def test_document() -> None:
    """A line of --json has seq, epoch and type, whatever it is."""
    assert document(Seen("e-0", comment())) == {"epoch": "e-0"} | comment()
    assert document(Missed("e-0", Hole(4, 9, "slow"))) == {
        "seq": 9, "epoch": "e-0", "type": "hole", "from": 4, "to": 9, "reason": "slow",
    }  # fmt: skip
