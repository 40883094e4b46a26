"""Finding listed words in comments: one automaton a list, whole words, on a folded copy of the text.

The text itself is never altered. Folding here is NFKC and case; words of scripts that put no spaces
between words (Chinese, Japanese, Thai …) match anywhere.
"""

import unicodedata
from collections.abc import Iterable
from functools import lru_cache

import ahocorasick_rs

WORD_CHARS_MIN = 2
WORD_CHARS_MAX = 100
LISTS_KEPT = 1_024
"""Automata of streams' own lists that one worker keeps."""


def fold(text: str) -> str:
    """Return ``text`` as it is compared."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFKC", text).casefold()


def listed(lines: Iterable[str]) -> tuple[str, ...]:
    """Return the words of a list: folded, trimmed, without comments (``#``), repeats and one-letter words."""
    words = {fold(line.strip()) for line in lines if not line.lstrip().startswith("#")}
    return tuple(sorted(word for word in words if WORD_CHARS_MIN <= len(word) <= WORD_CHARS_MAX))


class Words:
    """A list of words or phrases (as `listed` gives them) that can be looked for all at once."""

    __slots__ = ("_automaton", "words")

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words
        self._automaton = ahocorasick_rs.AhoCorasick(words) if words else None

    def found(self, folded: str) -> bool:
        """Whether a folded text has any listed word, as a whole word."""
        if self._automaton is None:
            return False
        matches = self._automaton.find_matches_as_indexes(folded, overlapping=True)
        return any(_is_whole(folded, start, end) for _, start, end in matches)


@lru_cache(maxsize=LISTS_KEPT)
def automaton(words: tuple[str, ...]) -> Words:
    """Return the shared automaton of a list."""
    return Words(words)


def _is_whole(text: str, start: int, end: int) -> bool:
    inside_left = start > 0 and _joins(text[start - 1], text[start])
    inside_right = end < len(text) and _joins(text[end - 1], text[end])
    return not inside_left and not inside_right


def _joins(left: str, right: str) -> bool:
    """Whether a word goes on from one character to the next."""
    if left.isascii() and right.isascii():
        return left.isalnum() and right.isalnum()
    return left.isalnum() and right.isalnum() and not (_unspaced(left) or _unspaced(right))


def _unspaced(char: str) -> bool:
    """Whether the character's script writes words without spaces."""
    code = ord(char)
    return (
        0x0E00 <= code <= 0x0EFF  # Thai, Lao
        or 0x1000 <= code <= 0x109F  # Myanmar
        or 0x1780 <= code <= 0x17FF  # Khmer
        or 0x3040 <= code <= 0x30FF  # Hiragana, Katakana
        or 0x3400 <= code <= 0x9FFF  # Han
        or 0xF900 <= code <= 0xFAFF
        or 0x20000 <= code <= 0x3FFFF
    )
