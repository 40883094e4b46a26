"""Manners: links, capitals, floods, repeats; and the set that knows what was decided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.core.conduct import AUTHORS_REMEMBERED_MAX, Manners, Memory, breach_of_text, has_link
from agents.core.recent import Recent
from schemas.emotes import is_emotes
from schemas.refusals import Code


@pytest.mark.parametrize(
    "text",
    [
        "http://x",
        "HTTPS://Example.org/a",
        "www.example",
        "evil.com",
        "evil (dot) com",
        "ｅｖｉｌ.com",
        "t.me",
    ],
)
def test_links(text: str) -> None:
    """Addresses, hosts under common domains, dots in words."""
    assert has_link(text)


@pytest.mark.parametrize(
    "text", ["hello.there", "3.14", "ok. com is a word", "what...", "e.g. this", "a.b.c", ""]
)
def test_no_links(text: str) -> None:
    """Full stops in sentences and numbers."""
    assert not has_link(text)


@pytest.mark.parametrize("text", ["", "🎉", "🎉🎉 👍🏽", "👨‍👩‍👧", "🇫🇷", "1️⃣", ":party_parrot: ❤️", "™"])
def test_emotes(text: str) -> None:
    """Emoji with modifiers, families, flags, keycaps, shortcodes, and a sticker's empty text."""
    assert is_emotes(text)


@pytest.mark.parametrize("text", ["hi 🎉", "1", ":)", "::", ":a b:", "漢"])
def test_no_emotes(text: str) -> None:
    """Anything with letters, digits or plain signs."""
    assert not is_emotes(text)


def test_capitals_count_from_eight_letters_on() -> None:
    """«OK» is no shouting; scripts without case have no capitals."""
    manners = Manners(capitals_percent_max=50)
    texts = ("LOL OK", "THIS IS LOUD", "你好你好你好你好你好")
    assert [breach_of_text(manners, text) is not None for text in texts] == [False, True, False]


def test_a_flood_ends_when_its_seconds_are_over() -> None:
    """The wait is told."""
    memory, manners = Memory(), Manners(flood_comments=2, flood_seconds=10)
    for at in (0, 4_000):
        assert memory.breach(manners, "ann", "x", at) is None
        memory.note("ann", "x", at)
    breach = memory.breach(manners, "ann", "x", 5_000)
    assert breach is not None
    assert (breach.code, breach.wait_seconds) == (Code.RATE_LIMITED, 5)
    assert memory.breach(manners, "bob", "x", 5_000) is None
    assert memory.breach(manners, "ann", "x", 10_001) is None


def test_memory_is_bounded() -> None:
    """Who was quiet longest is forgotten."""
    memory, manners = Memory(), Manners(repeat_seconds=60)
    for number in range(AUTHORS_REMEMBERED_MAX + 1):
        memory.note(f"u{number}", "x", 0)
    assert memory.breach(manners, "u0", "x", 1) is None
    assert memory.breach(manners, "u1", "x", 1) is not None


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 400)), max_size=60))
def test_recent_knows_at_least_a_window_and_at_most_three(rows: list[tuple[int, int]]) -> None:
    """A key is new if it was not met for three windows, and known if it was within one."""
    recent, window, last, at = Recent(100), 100, dict[int, int](), 0
    for key, step in rows:
        at += step
        new = recent.add(str(key).encode(), at)
        if key in last and at - last[key] < window:
            assert not new
        if key not in last or at - last[key] >= 3 * window:
            assert new
        if new:
            last[key] = at
