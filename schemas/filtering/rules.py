"""What a word list may say, one rule a line.

| line | means |
|---|---|
| ``word`` or ``two words`` | that word or phrase, as whole words |
| ``*part*`` | those letters anywhere; ``start*`` and ``*end`` are open on one side |
| ``!scunthorpe`` | an exception: what other rules find in this word or phrase does not count |
| ``/pattern/`` | a regular expression of RE2, on the case-folded text; in linear time, so no look-around |
| ``# …`` | a comment |

Words of scripts that put no spaces between words (Chinese, Japanese, Thai …) match anywhere.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

import re2

from schemas.filtering.unicode import casefolded, is_unspaced

WORD_CHARS_MIN = 2
WORD_CHARS_MAX = 100
PATTERN_CHARS_MAX = 200
PATTERNS_MAX = 100
PATTERN_BYTES_MAX = 1 << 20
"""Memory that RE2 may take for one compiled pattern; a larger one is refused."""
RULES_MAX = 200_000
FAULTS_MAX = 100
"""Told of one list; a list with more is not mended by reading on."""


class Kind(StrEnum):
    """What a rule is."""

    WORD = "word"
    PATTERN = "pattern"
    EXCEPTION = "exception"


@dataclass(frozen=True, slots=True)
class Rule:
    """One line. ``text``: folded (a pattern: as written). ``open_left``: may begin inside a word."""

    kind: Kind
    text: str
    open_left: bool = False
    open_right: bool = False

    def __str__(self) -> str:
        """As a list says it."""
        match self.kind:
            case Kind.PATTERN:
                return f"/{self.text}/"
            case Kind.EXCEPTION:
                return f"!{self.text}"
            case _:
                return f"{'*' * self.open_left}{self.text}{'*' * self.open_right}"


class ListFault(NamedTuple):
    """A line that is refused. ``number`` counts from 1."""

    number: int
    reason: str


class Parsed(NamedTuple):
    """``rules``: each as `Rule` writes itself, without repeats; strings, since there may be very many."""

    rules: tuple[str, ...]
    faults: tuple[ListFault, ...]


def parse(lines: Iterable[str]) -> Parsed:
    """Read a list; faults are told beside what is good."""
    rules: dict[str, None] = {}
    faults: list[ListFault] = []
    patterns = 0
    for number, line in enumerate(lines, 1):
        if len(faults) >= FAULTS_MAX:
            break
        given = line.strip().removeprefix("\ufeff")
        if not given or given.startswith("#"):
            continue
        found = _rule(given)
        if isinstance(found, str):
            faults.append(ListFault(number, found))
            continue
        patterns += found.kind is Kind.PATTERN
        if patterns > PATTERNS_MAX or len(rules) >= RULES_MAX:
            faults.append(ListFault(number, f"more than {PATTERNS_MAX} patterns or {RULES_MAX} rules"))
            break
        rules[str(found)] = None
    return Parsed(tuple(rules), tuple(faults))


@lru_cache(maxsize=8)
def parse_list(lines: tuple[str, ...]) -> Parsed:
    """`parse`, remembered for a list that is looked at several times in a row."""
    return parse(lines)


def rule_of(line: str) -> Rule:
    """Read a line of `Parsed`, which is known to be good."""
    if line.startswith("/") and line.endswith("/") and len(line) > 2:
        return Rule(Kind.PATTERN, line[1:-1])
    if line.startswith("!") and len(line) > 1 and line[1].isalnum():
        return Rule(Kind.EXCEPTION, line[1:])
    left, right = line.startswith("*"), line.endswith("*")
    return Rule(Kind.WORD, line[left : len(line) - right], left, right)


def options() -> re2.Options:
    """Return how patterns are compiled."""
    chosen = re2.Options()
    chosen.case_sensitive = False
    chosen.log_errors = False
    chosen.max_mem = PATTERN_BYTES_MAX
    return chosen


def _rule(given: str) -> Rule | str:
    if any(unicodedata.category(char) in {"Cc", "Cs", "Co", "Cn"} for char in given):
        return "control, private or unassigned characters: is the file UTF-8?"
    if "\ufffd" in given:
        return "a replacement character: the file was not UTF-8"
    if len(given) > 2 and given.startswith("/") and given.endswith("/"):
        return _pattern(given[1:-1])
    if given.startswith("!") and len(given) > 1 and given[1].isalnum():
        return _word(Kind.EXCEPTION, given[1:])
    return _word(Kind.WORD, given)


def _pattern(text: str) -> Rule | str:
    if len(text) > PATTERN_CHARS_MAX:
        return f"a pattern has at most {PATTERN_CHARS_MAX} characters"
    try:
        if re2.compile(text, options()).search("") is not None:
            return "the pattern matches the empty text, and so every comment"
    except re2.error as error:
        said = error.args[0] if error.args else ""
        said = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
        return f"not a pattern that RE2 takes in linear time: {said}"
    return Rule(Kind.PATTERN, text)


def _word(kind: Kind, given: str) -> Rule | str:
    open_left = given.startswith("*") and kind is Kind.WORD
    open_right = given.endswith("*") and kind is Kind.WORD and len(given) > 1
    text = " ".join(casefolded(given[open_left : len(given) - open_right]).split())
    letters = sum(unicodedata.category(char)[0] in "LNM" for char in text)
    if len(text) > WORD_CHARS_MAX:
        return f"a word or phrase has at most {WORD_CHARS_MAX} characters"
    if letters == 0 and not any(unicodedata.category(char) == "So" for char in text):
        return "no letter or digit: it would match everything or nothing"
    if 0 < letters < WORD_CHARS_MIN and len(text) < WORD_CHARS_MIN and not any(map(is_unspaced, text)):
        return "one letter alone would match almost everything"
    if (open_left or open_right) and letters <= WORD_CHARS_MIN and text.isascii():
        return f"with *, at least {WORD_CHARS_MIN + 1} letters: less is part of too many words"
    return Rule(kind, text, open_left, open_right)
