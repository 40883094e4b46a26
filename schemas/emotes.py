"""Whether a comment is emotes alone, for emote-only mode: the gateways and `moderate` ask the same."""

import re
from typing import Final

_SHORTCODE: Final = re.compile(r":[A-Za-z0-9_+-]{1,64}:")
_EMOJI: Final = re.compile(
    "(?:[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u27bf\u2934\u2935"
    "\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]|[0-9#*](?=\ufe0f?\u20e3)|[\ufe0f\u200d\u20e3]"
    "|[\U000e0020-\U000e007f])+"
)


def is_emotes(text: str) -> bool:
    """Whether a text is emoji and ``:shortcodes:`` alone; the empty one (a sticker's) is."""
    return not _EMOJI.sub("", _SHORTCODE.sub("", text)).strip()
