"""What an item may be, for gateways and `ingest` alike: ids, roles, commands, the form of a text.

The gateway refuses first, with words for an app; `ingest` refuses what came another way. Both ask here.
"""

import re
import unicodedata
from typing import Final

STREAM_ID: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}")
STREAM_ID_WORDS: Final = "1 to 128 letters, digits, '.', '_', '~', '-'"
ID_CHARS_MAX: Final = 128
"""Of comment, command and user ids."""
NAME_CHARS_MAX: Final = 100
ROLES: Final = frozenset({"viewer", "creator", "moderator", "platform"})
NEED_TARGET: Final = frozenset(
    {"delete", "clear", "ban", "unban", "timeout", "shadow", "pin", "hold", "approve"}
)
"""Commands that say whom or what they are for."""
COMMANDS: Final = NEED_TARGET | {"open", "settings", "slow", "unpin", "end"}


def is_stream_id(value: object) -> bool:
    """Whether ``value`` is what `STREAM_ID_WORDS` says."""
    return isinstance(value, str) and STREAM_ID.fullmatch(value) is not None


def normal(text: str) -> str:
    """Return ``text`` in NFC, trimmed. Nothing else is altered: what is shown is what was sent."""
    if text.isascii():
        return text.strip()
    return unicodedata.normalize("NFC", text).strip()
