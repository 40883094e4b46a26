"""How an event is shown: one JSON shape for the edge, the API, replays and exports."""

import json
from collections.abc import Mapping
from typing import Any


def event_view(event: Mapping[str, Any]) -> dict[str, Any]:
    """Turn an event record into the JSON object that viewers and API clients get.

    A comment: ``{"type", "seq", "id", "user": {"id", "name", "role"}, "text", "at"}``, and
    ``sticker``, ``copies`` where they apply. Anything else: ``{"type", "seq", "at", "by"}`` and the
    command's arguments that are set (``target``, ``seconds``, ``reason``, ``settings``).
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
        view["settings"] = json.loads(command["settings"])
    return view
