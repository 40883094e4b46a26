"""How comments look on a terminal. Pure but for the clock's zone.

Nothing that somebody wrote can move the cursor, break the line or turn its direction around.
"""

import re
import zlib
from datetime import datetime

from rich.text import Text

from livecomments.client.items import Item, Missed, Seen, State
from livecomments.client.position import Event, Hole

COLOURS = ("cyan", "green", "magenta", "blue", "yellow", "bright_cyan", "bright_green", "bright_magenta")
BADGES = {
    "creator": "bold black on yellow",
    "moderator": "bold black on green",
    "platform": "bold white on red",
}
NAME_CHARS = 24
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]+")
"""Controls, line breaks, and what turns the direction of text."""


def plain(text: object) -> str:
    """Return a text that is safe to print on one line."""
    return _UNSAFE.sub(" ", str(text))


def line_of(item: Item) -> Text:
    """Return the line that shows an item."""
    match item:
        case Seen(event=event) if event.get("type") == "comment":
            return _comment(event)
        case Seen(event=event):
            words = " ".join(
                plain(event[name]) for name in ("target", "seconds", "reason") if event.get(name)
            )
            return Text(f"{event['seq']:>8}  — {plain(event.get('type'))} {words}".rstrip(), style="dim")
        case Missed(hole=hole):
            return Text(f"{'':>8}  … {words_of_hole(hole)}", style="yellow")
        case State():
            return Text(words_of_state(item), style="dim")


def words_of_hole(hole: Hole) -> str:
    """Say what is missing."""
    count = hole.to_seq - hole.from_seq
    if hole.reason == "epoch":
        return "the stream's history starts anew here"
    if count == 0:
        return f"it is not known whether something is missing here ({plain(hole.reason)})"
    what = "1 event" if count == 1 else f"{count} events"
    return f"{what} not shown: {hole.from_seq + 1} to {hole.to_seq} ({plain(hole.reason)})"


def words_of_state(state: State) -> str:
    """Say how the connection is."""
    where = f" at {state.position.seq} in epoch {state.position.epoch}" if state.position else ""
    match state.name:
        case "connecting":
            return f"the connection is away ({plain(state.reason)}); trying again"
        case name:
            return f"{name}{where}"


def _comment(event: Event) -> Text:
    user = event.get("user") or {}
    name, role = plain(user.get("name") or user.get("id")), plain(user.get("role"))
    at = datetime.fromtimestamp(event["at"] / 1000).astimezone()
    line = Text(f"{event['seq']:>8}  ", style="dim")
    line.append(f"{at:%H:%M:%S}  ", style="dim")
    if role in BADGES:
        line.append(f" {role} ", style=BADGES[role]).append(" ")
    colour = COLOURS[zlib.crc32(str(user.get("id")).encode()) % len(COLOURS)]
    line.append(name[:NAME_CHARS], style=f"bold {colour}").append("  ")
    if event.get("sticker"):
        line.append(f"[{plain(event['sticker'])}] ", style="bold")
    line.append(plain(event.get("text")))
    if event.get("copies", 1) > 1:
        line.append(f"  ×{event['copies']}", style="dim")
    return line
