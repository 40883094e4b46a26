"""What authors write: short, long, in many scripts, sometimes with a listed word. Pure, from a seed."""

import random
import uuid
from typing import NamedTuple

from uuid_utils import uuid7

FORBIDDEN_WORDS = ("bullshit", "wanker")
"""Listed platform-wide in the list that ships with it."""
WORDS = (
    "hello", "nice", "goal", "lol", "what a shot", "привет", "こんにちは", "안녕", "مرحبا", "שלום",
    "e\u0301te\u0301", "ﬁne", "🎉", "👩‍👩‍👧‍👦",
    "<b>bold</b>", "'; drop table", "\\u0000", "a\u200bb", "Ⅻ", "i̇",
)  # fmt: skip
LONG_CHARS = 400
FORBIDDEN_SHARE = 0.04
LONG_SHARE = 0.05


class Draft(NamedTuple):
    """A comment to publish. ``forbidden``: it has a listed word, and must be seen by nobody."""

    id: str
    text: str
    forbidden: bool


def draft(rng: random.Random, number: int, padding_chars: int = 0) -> Draft:
    """Make up the ``number``-th comment; its text is like no other's, and ``padding_chars`` longer."""
    words = [rng.choice(WORDS) for _ in range(rng.randint(1, 6))]
    forbidden = rng.random() < FORBIDDEN_SHARE
    if forbidden:
        words.insert(rng.randrange(len(words) + 1), rng.choice(FORBIDDEN_WORDS))
    if rng.random() < LONG_SHARE:
        words.append("x" * rng.randint(1, LONG_CHARS))
    if padding_chars:
        words.append("y" * padding_chars)
    return Draft(fresh_id(rng), f"{' '.join(words)} {number}", forbidden)


def fresh_id(rng: random.Random) -> str:
    """Return a UUID; half of them say when they were made."""
    if rng.random() < 0.5:
        return str(uuid7())
    return str(uuid.UUID(int=rng.getrandbits(128), version=4))
