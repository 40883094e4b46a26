"""How an event is shown: one JSON shape for the edge, the API, replays and exports."""

import json
from collections.abc import Mapping
from typing import Any

SHOWN_SETTINGS = ("creator", "title", "slow_mode_seconds", "members_only", "emote_only", "chars_max")
"""What a stream's settings tell viewers. Not its word lists: they say how to get around them."""


def event_view(event: Mapping[str, Any], *, quoting: bool = False) -> dict[str, Any]:
    """Turn an event record into the JSON object that viewers and API clients get.

    A comment: ``{"type", "seq", "id", "user": {"id", "name", "role"}, "text", "at"}``, and
    ``sticker``, ``copies`` where they apply. Anything else: ``{"type", "seq", "at", "by"}`` and the
    command's arguments that are set (``target``, ``seconds``, ``reason``, ``settings``: `SHOWN_SETTINGS`).
    ``quoting``: a pin has its ``comment`` too, for viewers to whom sampling did not show it; whoever asks for
    that makes sure that it is not hidden meanwhile.
    """
    user = {"id": event["user_id"], "name": event["user_name"], "role": event["role"]}
    if event["type"] == "comment":
        view = {
            "type": "comment",
            "seq": event["seq"],
            "id": event["id"],
            "user": user,
            "text": event["text"],
            "at": event["at"],
        }
        if event["sticker"] is not None:
            view["sticker"] = event["sticker"]
        if event.get("copies", 1) > 1:
            view["copies"] = event["copies"]
        return view
    command = event["command"] or {}
    view = {"type": event["type"], "seq": event["seq"], "at": event["at"], "by": user}
    view |= {name: command[name] for name in ("target", "seconds", "reason") if command.get(name) is not None}
    if command.get("settings"):
        settings = json.loads(command["settings"])
        view["settings"] = {name: settings[name] for name in SHOWN_SETTINGS if name in settings}
    if quoting and (quoted := command.get("comment")) is not None:
        view["comment"] = event_view({**quoted, "type": "comment"})
    return view
