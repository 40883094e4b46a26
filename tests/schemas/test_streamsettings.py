"""Stream settings: every name has bounds, and what is wrong is said with the name."""

from typing import Any

import pytest

from schemas import streamsettings
from schemas.policies import PART_CHARS_MAX, part_of, parts_of
from schemas.streamsettings import fault_of


@pytest.mark.parametrize(
    "good",
    [
        {},
        {"title": ""},
        {"words": ["heck", "*part*", "!x-ray", "/a+b/"]},
        {"moderators": []},
        {"members": ["a"]},
        {"slow_mode_seconds": 0},
        {"slow_mode_seconds": 86_400},
        {"review": False},
        {"links": "hold"},
        {"words_action": "hold"},
        {"capitals_percent_max": 100, "chars_max": 1, "flood_comments": 3},
    ],
)
def test_good_settings(good: dict[str, Any]) -> None:
    """Within their bounds."""
    assert fault_of(good) is None


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("colour", 1),
        ("title", None),
        ("title", "x" * 201),
        ("words", "heck"),
        ("words", [1]),
        ("words", ["a"]),
        ("words", ["x" * 200_000]),
        ("moderators", [""]),
        ("moderators", ["x" * 129]),
        ("members", "ann"),
        ("slow_mode_seconds", -1),
        ("slow_mode_seconds", 1.5),
        ("slow_mode_seconds", True),
        ("review", 1),
        ("review", "yes"),
        ("links", "forbid"),
        ("words_action", ""),
        ("flood_comments", 101),
        ("chars_max", None),
    ],
)
def test_bad_settings_are_named(name: str, bad: object) -> None:
    """Unknown names, other types, beyond the bounds."""
    fault = fault_of({name: bad})
    assert fault is not None
    assert fault.startswith(f"{name}: ")


def test_too_many_words_are_refused() -> None:
    """A list travels in one record."""
    assert fault_of({"words": [f"word{n}" for n in range(streamsettings.WORDS_MAX + 1)]}) is not None


def test_a_platform_list_travels_in_parts() -> None:
    """Each part fits a record, all have one version, and together they are the list."""
    rules = [f"word{number:05}" for number in range(40_000)]
    parts = parts_of(rules)
    assert [rule for part in parts for rule in part.rules] == rules
    assert len({part.version for part in parts}) == 1
    assert all(sum(map(len, part.rules)) <= PART_CHARS_MAX for part in parts)
    assert [part_of(part.to_value()) for part in parts] == parts
    assert part_of({"part": 1, "parts": 1, "version": "x", "rules": []}) is None
    assert part_of({}) is None
