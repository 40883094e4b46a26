"""Some thousand rules in every form that a text is held against, looked for in one pass."""

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, NamedTuple

import ahocorasick_rs

from schemas.filtering import folding
from schemas.filtering.rules import Rule
from schemas.filtering.unicode import bare, is_unspaced, lookalike

Matches = Callable[[bytes], list[tuple[int, int, int]]]
_ODD: Final = len(folding.ODD_REPEATS)
_AT_ONCE: Final = folding.PLAIN | folding.JOINED
_MAY_COUNT, _MAY_COUNT_SQUEEZED, _MAY_BE_ODD = 1, 2, 4
_UNDONE: Final = folding.JOINED | folding.LEET | folding.SQUEEZED


class Key(NamedTuple):
    """What finding a byte string means.

    ``form``: LEET and SQUEEZED as the form must have them. ``within``: the form must undo one of these;
    0: any form will do.
    """

    rule: int
    form: int
    within: int

    def counts_in(self, form: int) -> bool:
        """Whether finding it in a form means anything."""
        if (self.form ^ form) & (folding.LEET | folding.SQUEEZED):
            return False
        return not self.within or bool(form & self.within)


class Automaton:
    """Immutable. Kept in arrays, not objects, so that a long list costs the garbage collector nothing.

    Args:
        rules: of kind WORD and not literal, with their numbers in the list.

    """

    __slots__ = ("_ends", "_forms", "_may", "_rules", "_withins", "matches")

    def __init__(self, rules: Sequence[tuple[int, Rule]]) -> None:
        found: dict[bytes, list[Key]] = defaultdict(list)
        for number, rule in rules:
            for text, key in _keys(number, rule):
                found[text].append(key)
        found = {odd: [] for odd in folding.ODD_REPEATS} | found
        keys = [key for meant in found.values() for key in meant]
        self._rules = array("I", [key.rule for key in keys])
        self._forms = bytes(key.form for key in keys)
        self._withins = bytes(key.within for key in keys)
        self._ends = array("I")
        for meant in found.values():
            self._ends.append((self._ends[-1] if self._ends else 0) + len(meant))
        self._may = bytes([_MAY_BE_ODD]) * _ODD + bytes(map(_may, found.values()))[_ODD:]
        automaton = ahocorasick_rs.BytesAhoCorasick(list(found))
        self.matches: Matches = partial(automaton.find_matches_as_indexes, overlapping=True)
        """Return every (what, start, end) in some bytes; `meant` says what."""

    def may_count(self, matches: list[tuple[int, int, int]], at_once: bytes) -> bool:
        """Whether any of the ``matches`` in `folding.at_once`, or any in it squeezed, may mean anything."""
        may = 0
        for what, _, _ in matches:
            may |= self._may[what]
        if may < _MAY_BE_ODD:
            return may & _MAY_COUNT > 0
        if may & _MAY_COUNT:
            return True
        squeezed = self.matches(folding.squeezed_key(at_once))
        return any(self._may[what] & _MAY_COUNT_SQUEEZED for what, _, _ in squeezed)

    def sifted(self, haystack: bytes) -> tuple[list[tuple[int, int, int]], bool]:
        """Return the matches of rules, and whether letters are repeated oddly (`folding.ODD_REPEATS`)."""
        found = self.matches(haystack)
        if not found:
            return found, False
        rules = [match for match in found if match[0] >= _ODD]
        return rules, len(rules) < len(found)

    def meant(self, what: int, form: int) -> list[Key]:
        """Return the keys that a match stands for in a form."""
        start = self._ends[what - 1] if what else 0
        keys = (
            Key(self._rules[at], self._forms[at], self._withins[at]) for at in range(start, self._ends[what])
        )
        return [key for key in keys if key.counts_in(form)]


def _may(keys: Sequence[Key]) -> int:
    """Return in what sort of form finding the keys' string may mean anything; whichever of the sort it is."""
    counts = any(key.counts_in(_AT_ONCE) for key in keys)
    squeezed = any(key.counts_in(_AT_ONCE | folding.SQUEEZED) for key in keys)
    return _MAY_COUNT * counts | _MAY_COUNT_SQUEEZED * squeezed


def _keys(number: int, rule: Rule) -> Iterator[tuple[bytes, Key]]:
    left = b"" if rule.open_left or is_unspaced(rule.text[0]) else b" "
    right = b"" if rule.open_right or is_unspaced(rule.text[-1]) else b" "
    for spelling, within in _spellings(rule.text).items():
        word = folding.key(spelling)
        for leet in (0, folding.LEET):
            for squeezed in (0, folding.SQUEEZED):
                made = folding.leet_key(word) if leet else word
                made = folding.squeezed_key(made) if squeezed else made
                yield left + made + right, Key(number, leet | squeezed, within)


def _spellings(text: str) -> dict[str, int]:
    """Return how a word may be written once disguises are undone, and within which it means that word."""
    spellings = {text: 0}
    if not text.isalnum():
        spellings.setdefault("".join(char for char in text if char.isalnum() or char == " "), _UNDONE)
        spellings.setdefault("".join(char for char in text if char.isalnum()), _UNDONE)
    if not text.isascii():
        # An accent is part of the word: "cono" is not "coño", but "c.o.n.o" is.
        plain = bare(text)
        spellings.setdefault(plain, _UNDONE)
        spellings.setdefault(lookalike(plain), _UNDONE | folding.READ)
    return {spelling: within for spelling, within in spellings.items() if spelling.strip()}
