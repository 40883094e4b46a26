"""What a word list may say, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.filtering.rules import PATTERNS_MAX, WORD_CHARS_MAX, Kind, Rule, parse, rule_of


def faults(*lines: str) -> list[int]:
    return [fault.number for fault in parse(lines).faults]


def test_each_kind_of_line_is_read() -> None:
    """Words, phrases, open edges, exceptions, patterns; comments and empty lines are nothing."""
    lines = ["# list", "", "Darn", "two  Words", "*part*", "start*", "!Scunthorpe", "/d[a4]rn+/"]
    parsed = parse(lines)
    assert parsed.faults == ()
    assert [rule_of(line) for line in parsed.rules] == [
        Rule(Kind.WORD, "darn"),
        Rule(Kind.WORD, "two words"),
        Rule(Kind.WORD, "part", open_left=True, open_right=True),
        Rule(Kind.WORD, "start", open_right=True),
        Rule(Kind.EXCEPTION, "scunthorpe"),
        Rule(Kind.PATTERN, "d[a4]rn+"),
    ]


@pytest.mark.parametrize(
    "line",
    ["a", "?!", "*ab*", "x" * (WORD_CHARS_MAX + 1), "bad\ufffdword", "bell\x07", "\ud800x", "*", "!"],
)
def test_what_would_match_everything_or_nothing_is_refused(line: str) -> None:
    """One letter, no letter, short open words, broken encodings: a fault with its line's number."""
    assert faults("fine", line) == [2]


@pytest.mark.parametrize("pattern", ["(?=x)y", r"(a)\1", "x*", "((a{100}){100}){100}", "[", "a" * 201])
def test_patterns_that_are_not_linear_or_match_everything_are_refused(pattern: str) -> None:
    """Look-around, back-references, explosive repetition, the empty match, bad syntax, too long."""
    assert faults(f"/{pattern}/") == [1]


def test_a_pattern_that_blows_up_elsewhere_is_linear_here() -> None:
    """Nested quantifiers are fine: RE2 does not go back."""
    assert faults("/(a+)+$/") == []


def test_patterns_are_bounded() -> None:
    """One more than the maximum is a fault."""
    assert len(parse(f"/x{n}/" for n in range(PATTERNS_MAX + 1)).faults) == 1


def test_one_ideograph_is_a_word() -> None:
    """Scripts that write words as single characters may list them."""
    assert faults("屄", "操你") == []


@given(st.lists(st.text(max_size=20), max_size=10))
def test_a_rule_reads_as_it_was_written(lines: list[str]) -> None:
    """Whatever was accepted is read back as the same rule, and parsing it again changes nothing."""
    rules = parse(lines).rules
    assert [str(rule_of(line)) for line in rules] == list(rules)
    assert parse(rules).rules == rules
