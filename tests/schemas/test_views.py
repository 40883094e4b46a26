"""How events are shown."""

import json

from schemas.views import event_view
from tests.edge.fakes import AT, command, comment


def test_a_comment_has_its_author_and_text() -> None:
    """And a sticker and a count of copies where there are some."""
    view = event_view(comment(3, user="ana", text="hi"))
    assert view == {
        "type": "comment", "seq": 3, "id": comment(3)["id"], "at": AT + 3, "text": "hi",
        "user": {"id": "ana", "name": "Ana", "role": "viewer"},
    }  # fmt: skip
    more = dict(comment(3)) | {"sticker": "wave", "copies": 4}
    assert (event_view(more)["sticker"], event_view(more)["copies"]) == ("wave", 4)


def test_a_command_has_its_arguments() -> None:
    """Those that are set."""
    view = event_view(command(4, "timeout", "eve") | {})
    assert (view["type"], view["target"], view["by"]["id"]) == ("timeout", "eve", "mod")
    assert view.keys() == {"type", "seq", "at", "by", "target"}


def test_word_lists_are_not_shown() -> None:
    """Viewers learn what concerns them, not how to get around the filter."""
    event = dict(command(5, "settings", ""))
    settings = {
        "words": ["secret"],
        "members": ["ana"],
        "slow_mode_seconds": 3,
        "links": "hold",
        "title": "t",
    }
    event["command"] = {"target": None, "seconds": None, "reason": None, "settings": json.dumps(settings)}
    assert event_view(event)["settings"] == {"title": "t", "slow_mode_seconds": 3}
