"""What an item must be to enter the pipeline, whoever produced it.

The gateway has checked the same before; this is for other producers, and for gateways with faults.
"""

import json
import re
from typing import Final

from schemas.items import COMMANDS, ID_CHARS_MAX, NAME_CHARS_MAX, ROLES, STREAM_ID_WORDS, is_stream_id, normal
from schemas.records import Item
from schemas.routing import partition_of

TEXT_CHARS_MAX = 4_000
SETTINGS_CHARS_MAX = 200_000
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


def fault_of(item: Item, partition: int, partitions: int) -> str | None:  # noqa: PLR0911 - one answer a rule
    """Say what is wrong with an item, in words without its content; None when it is valid."""
    if not is_stream_id(item["stream_id"]):
        return f"the stream id is not {STREAM_ID_WORDS}"
    if partition_of(item["stream_id"], partitions) != partition:
        return "the stream belongs to another partition"
    if not 0 < len(item["id"]) <= ID_CHARS_MAX or not 0 < len(item["user_id"]) <= ID_CHARS_MAX:
        return f"the id or the user id is not 1 to {ID_CHARS_MAX} characters"
    if len(item["user_name"]) > NAME_CHARS_MAX:
        return f"the name is longer than {NAME_CHARS_MAX} characters"
    if item["role"] not in ROLES:
        return "the role is unknown"
    if item["type"] == "comment":
        return _comment_fault(item)
    if item["type"] not in COMMANDS or item["command"] is None:
        return "the type is unknown, or a command has no arguments"
    quoted = item["command"].get("comment")
    if quoted is not None and (len(quoted["text"]) > TEXT_CHARS_MAX or _CONTROLS.search(quoted["text"])):
        return "the comment that a command quotes is none"
    return _settings_fault(item["command"]["settings"])


def _comment_fault(item: Item) -> str | None:
    if not normal(item["text"]) and not item["sticker"]:
        return "the comment is empty"
    if len(item["text"]) > TEXT_CHARS_MAX:
        return f"the text is longer than {TEXT_CHARS_MAX} characters"
    if _CONTROLS.search(item["text"]):
        return "the text has control characters"
    return None


def _settings_fault(settings: str | None) -> str | None:
    if settings is None:
        return None
    if len(settings) > SETTINGS_CHARS_MAX:
        return f"the settings are longer than {SETTINGS_CHARS_MAX} characters"
    try:
        value = json.loads(settings)
    except ValueError:
        return "the settings are not JSON"
    return None if isinstance(value, dict) else "the settings are not a JSON object"
