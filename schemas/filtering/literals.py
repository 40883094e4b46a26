"""Rules that are held against the folded text as it stands: words with symbols, exceptions, patterns."""

import unicodedata
from collections.abc import Iterator, Sequence
from typing import Any

import ahocorasick_rs
import re2

from schemas.filtering.folding import PLAIN
from schemas.filtering.hit import Hit
from schemas.filtering.rules import Kind, Rule, options
from schemas.filtering.unicode import is_unspaced

_LOST = "'-._,"
"""Punctuation that a word may have without being a literal: it means nothing, and forms drop it."""


def is_literal(rule: Rule) -> bool:
    """Whether a word has symbols, which forms lose ("f*ck", an emoji)."""
    return rule.kind is Kind.WORD and any(map(_is_symbol, rule.text))


class Literals:
    """Words looked for as they stand."""

    __slots__ = ("_automaton", "_rules", "others")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        texts = [rule.text for rule in rules]
        symbols = {ord(char) for text in texts for char in text if char.isascii() and _is_symbol(char)}
        self.others = bytes(code for code in range(256) if code not in symbols)
        """ASCII that is no symbol of any: a text of it alone has none of them."""
        self._automaton: Any = ahocorasick_rs.AhoCorasick(texts) if texts else None

    def __bool__(self) -> bool:
        return bool(self._rules)

    def find(self, folded: str) -> Hit | None:
        """Return the first that a folded text has."""
        for rule, _, _ in self._spans(folded):
            return Hit(rule, PLAIN)
        return None

    def cut(self, folded: str) -> str:
        """Return the text with a gap in place of each of the words."""
        chars = list(folded)
        for _, start, end in self._spans(folded):
            chars[start:end] = "\n" * (end - start)
        return "".join(chars)

    def _spans(self, folded: str) -> Iterator[tuple[Rule, int, int]]:
        if self._automaton is None:
            return
        for at, start, end in self._automaton.find_matches_as_indexes(folded, overlapping=True):
            rule = self._rules[at]
            if (rule.open_left or not _joins(folded, start)) and (rule.open_right or not _joins(folded, end)):
                yield rule, start, end


class Patterns:
    """All regular expressions of a list in one linear pass."""

    __slots__ = ("_rules", "_set")

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._rules = rules
        self._set = _set_of(rules) if rules else None

    def __bool__(self) -> bool:
        return bool(self._rules)

    def find(self, folded: str) -> Hit | None:
        """Return the first that a folded text has."""
        found = self._set.Match(folded) if self._set is not None else None
        return Hit(self._rules[min(found)], PLAIN) if found else None


def _set_of(rules: Sequence[Rule]) -> Any:
    patterns = re2.Set.SearchSet(options())
    for rule in rules:
        patterns.Add(rule.text)
    patterns.Compile()
    return patterns


def _is_symbol(char: str) -> bool:
    known = char.isalnum() or char.isspace() or char in _LOST
    return not known and not unicodedata.category(char).startswith("M")


def _joins(text: str, at: int) -> bool:
    """Whether a word goes on over the place ``at``."""
    if not 0 < at < len(text):
        return False
    left, right = text[at - 1], text[at]
    return left.isalnum() and right.isalnum() and not (is_unspaced(left) or is_unspaced(right))
