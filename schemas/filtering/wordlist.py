"""A word list that texts can be held against."""

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import accumulate
from typing import Final

from schemas.filtering import folding
from schemas.filtering.automaton import Automaton, Key
from schemas.filtering.folding import Formed
from schemas.filtering.hit import Hit
from schemas.filtering.literals import Literals, Patterns, is_literal
from schemas.filtering.rules import Kind, Rule, rule_of
from schemas.filtering.unicode import casefolded, closed_up, in_ascii, readings, spaced

RULES_PER_AUTOMATON: Final = 5_000
"""A longer list has several: making one holds the interpreter for about 1 µs a key, and a swap must not
stop a stage. Each costs a text a third of a microsecond."""
REPEATS_KEPT: Final = 4_096
_CONTRACTION: Final = re.compile(rb"[a-z]+'(?:s|t|d|m|ll|re|ve|em|all|n|am|er)[^a-z]*", re.IGNORECASE)
_AMOUNT: Final = re.compile(
    rb"""[#$+~'">=*-]*(?:[0-9][0-9.,:%/+-]*[$+]?|[0-9]{1,3}(?:[.,x][0-9]+)?[a-wyz]|"""
    rb"""[0-9]+(?:st|nd|rd|th|am|pm|hz|mm|cm|km|gb|mb|ft|lb|px))[!?.,:;)'"*-]*+""",
    re.IGNORECASE,
)
"""A number, price, time, score or unit: digits there are digits."""
_LONG_NUMBER: Final = re.compile(rb"[0-9]{4,}")
_LEET_CHAR: Final = re.compile(rb"[0-9@$!|+(<{\[]")
_INNER_LEET: Final = re.compile(
    rb"[^ ][0-9@$!|+(<{\[]+[0-9a-zA-Z]|[^ ][0-9@$|+(<{\[]+!$|[(<{\[]$|^[(<{\[][a-zA-Z][^)>}\]]*$"
)


class WordList:
    """Immutable; another list is another `WordList`. ``rules``: as `schemas.filtering.parse` gives them."""

    __slots__ = ("_automata", "_exceptions", "_literals", "_no_literals", "_patterns", "rules")

    def __init__(self, rules: tuple[str, ...]) -> None:
        self.rules = rules
        self._automata = tuple(Automaton(part) for part in _parts(rules))
        self._literals = Literals([rule for rule in map(rule_of, rules) if is_literal(rule)])
        self._no_literals = self._literals.others
        self._exceptions = Literals([rule for rule in map(rule_of, rules) if rule.kind is Kind.EXCEPTION])
        self._patterns = Patterns([rule for rule in map(rule_of, rules) if rule.kind is Kind.PATTERN])

    def __len__(self) -> int:
        return len(self.rules)

    def find(self, text: str) -> Hit | None:
        """Return a rule that ``text`` breaks; None: it may pass."""
        said = text if text.isascii() else in_ascii(text)
        if said is not None:
            raw = said.encode()
            marks = raw.translate(None, folding.NO_MARKS)
            # Most comments. Here each call counts.
            forms = folding.at_once(raw, marks)
            if forms is not None:
                for automaton in self._automata:
                    found = automaton.matches(forms)
                    if found and automaton.may_count(found, forms):
                        break
                else:
                    return self._excepted(text, self._as_it_stands(text, marks))
        else:
            raw, marks = text.encode(errors="replace"), b""
        return self._excepted(text, self._find(text, raw, marks))

    def _excepted(self, text: str, hit: Hit | None) -> Hit | None:
        """Look again without what the list's exceptions cover."""
        if hit is None or not self._exceptions:
            return hit
        cut = self._exceptions.cut(casefolded(text))
        raw = cut.encode(errors="replace")
        return self._find(cut, raw, raw.translate(None, folding.NO_MARKS))

    def _find(self, text: str, raw: bytes, marks: bytes) -> Hit | None:
        if self._automata and (hit := self._formed(text, raw)):
            return hit
        return self._as_it_stands(text, marks)

    def _as_it_stands(self, text: str, marks: bytes) -> Hit | None:
        symbols = not text.isascii() or marks.translate(None, self._no_literals)
        if self._literals and symbols and (hit := self._literals.find(casefolded(text))):
            return hit
        return self._patterns.find(casefolded(text)) if self._patterns else None

    def _formed(self, text: str, raw: bytes) -> Hit | None:
        forms = folding.forms(raw, folding.PLAIN) if text.isascii() else _read(text)
        haystack = b"\n".join([formed.text for formed in forms])
        squeezed: list[Formed] | None = None
        for automaton in self._automata:
            matches, odd = automaton.sifted(haystack)
            if matches and (hit := self._judged(automaton, matches, forms)):
                return hit
            if not odd:
                continue
            if squeezed is None:
                squeezed = folding.squeezed(forms)
            matches, _ = automaton.sifted(b"\n".join([formed.text for formed in squeezed]))
            if matches and (hit := self._judged(automaton, matches, squeezed)):
                return hit
        return None

    def _judged(
        self, automaton: Automaton, matches: list[tuple[int, int, int]], forms: list[Formed]
    ) -> Hit | None:
        starts = [0, *accumulate(len(formed.text) + 1 for formed in forms)]
        refused: set[tuple[Key, bytes | None, bytes | None]] = set()
        for what, start, end in matches:
            index = bisect_right(starts, start) - 1
            formed = forms[index]
            keys = automaton.meant(what, formed.form)
            if not keys:
                continue
            if formed.words is None and formed.stretched is None:
                return Hit(rule_of(self.rules[keys[0].rule]), formed.form)
            span = formed.span(start - starts[index], end - starts[index])
            words, stretched = formed.of(formed.words, *span), formed.of(formed.stretched, *span)
            for key in keys:
                # The same word is looked at once, so that a text full of near misses costs no more.
                if (case := (key, words, stretched)) in refused:
                    continue
                rule = rule_of(self.rules[key.rule])
                if _holds(rule, formed.form, words, stretched):
                    return Hit(rule, formed.form)
                refused.add(case)
        return None


@lru_cache(maxsize=8)
def build(rules: tuple[str, ...]) -> WordList:
    """Return the shared `WordList` of these rules."""
    return WordList(rules)


def _parts(rules: tuple[str, ...]) -> Iterator[list[tuple[int, Rule]]]:
    part: list[tuple[int, Rule]] = []
    for number, line in enumerate(rules):
        rule = rule_of(line)
        if rule.kind is Kind.WORD and not is_literal(rule):
            part.append((number, rule))
        if len(part) == RULES_PER_AUTOMATON:
            yield part
            part = []
    if part:
        yield part


def _read(text: str) -> list[Formed]:
    forms: list[Formed] = []
    for number, reading in enumerate(readings(text)):
        if reading:
            form = folding.PLAIN | folding.READ if number else folding.PLAIN
            forms += folding.forms(spaced(reading).encode(errors="replace"), form)
            if (closed := closed_up(reading)) != reading:
                forms.append(Formed(form | folding.JOINED, folding.plain(closed.encode(errors="replace"))))
    # The sieve for repeats is of ASCII letters alone.
    return forms + folding.squeezed(forms) if folding.has_wide_repeats(forms) else forms


def _holds(rule: Rule, form: int, words: bytes | None, stretched: bytes | None) -> bool:
    """Whether a match is what the rule means, and not how another word is written."""
    if words is not None and not _is_disguise(words.split(b" "), form):
        return False
    return stretched is None or _is_stretched(rule, stretched, leet=bool(form & folding.LEET))


def _is_disguise(words: Iterable[bytes], form: int) -> bool:
    if form & folding.EDGED:
        return any(_INNER_LEET.search(word) and _is_leet(word) for word in words)
    return any(map(_is_leet if form & folding.LEET else _is_parted, words))


def _is_leet(word: bytes) -> bool:
    if not _LEET_CHAR.search(word):
        return False
    return _LONG_NUMBER.fullmatch(word) is not None or not _AMOUNT.fullmatch(word)


def _is_parted(word: bytes) -> bool:
    if not folding.PARTED.search(word):
        return False
    return not _CONTRACTION.fullmatch(word) and not _AMOUNT.fullmatch(word)


def _is_stretched(rule: Rule, words: bytes, *, leet: bool) -> bool:
    """Whether each letter is there as often as in the rule, and one more often than by chance."""
    match = _stretchable(rule, leet=leet).search(words)
    if match is None:
        return False
    return folding.is_unnatural(match.groups(), [run for run in _runs_of(rule, leet=leet) if run[0] != b" "])


def _runs_of(rule: Rule, *, leet: bool) -> list[tuple[bytes, int]]:
    word = folding.key(rule.text)
    return folding.runs(folding.leet_key(word) if leet else word)


@lru_cache(maxsize=REPEATS_KEPT)
def _stretchable(rule: Rule, *, leet: bool) -> re.Pattern[bytes]:
    """Match the rule's word with letters repeated, a group a run; possessive, so that it never goes back."""
    runs = _runs_of(rule, leet=leet)
    parts = [rb"((?:%b){%d,}+)" % (re.escape(char), count) if char != b" " else b" " for char, count in runs]
    left = rb"(?<!%b)" % re.escape(runs[0][0]) if rule.open_left else rb"\A"
    return re.compile(left + b"".join(parts) + (b"" if rule.open_right else rb"\Z"))
