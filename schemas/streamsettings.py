"""A stream's settings: names, bounds, and what is wrong with a value. The same for the API and the log.

| name | value |
|---|---|
| ``title`` | text |
| ``moderators`` | user ids: who moderates beside the creator |
| ``members`` | user ids: who may comment in members-only mode |
| ``slow_mode_seconds`` | a viewer's least time between two comments; 0: none |
| ``members_only``, ``emote_only`` | modes |
| ``review`` | every viewer's comment waits for a moderator |
| ``words`` | the stream's own list, a rule each (`schemas.filtering.rules`) |
| ``words_action`` | ``reject`` or ``hold`` |
| ``links`` | ``allow``, ``hold`` or ``reject`` |
| ``capitals_percent_max`` | of the letters of a longer text; 0: any |
| ``chars_max`` | of a comment; 0: the platform's limit alone |
| ``flood_comments``, ``flood_seconds`` | so many comments of one viewer in so many seconds; 0: any |
| ``repeat_seconds`` | for so long a viewer may not send the same text again; 0: they may |
| ``sampling`` | ``auto``, ``on`` or ``off``: whether viewers get a selection; the platform's alone to say |
| ``sampling_viewers`` | from how many viewers on, with ``auto``; 0: the platform's threshold |
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from schemas.filtering import parse_list

WORDS_MAX: Final = 10_000
USERS_MAX: Final = 10_000
MODERATORS_MAX: Final = 1_000
USER_CHARS_MAX: Final = 128
TITLE_CHARS_MAX: Final = 200
SLOW_SECONDS_MAX: Final = 86_400
WORDS_CHARS_MAX: Final = 150_000
"""Of a whole list: a command travels in one record."""
FAULTS_TOLD: Final = 5

NUMBERS: Final[Mapping[str, int]] = {
    "slow_mode_seconds": SLOW_SECONDS_MAX,
    "capitals_percent_max": 100,
    "chars_max": 4_000,
    "flood_comments": 100,
    "flood_seconds": 3_600,
    "repeat_seconds": 3_600,
    "sampling_viewers": 1_000_000_000,
}
"""Name → the largest; the smallest is 0."""
FLAGS: Final = frozenset({"members_only", "emote_only", "review"})
CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "words_action": ("reject", "hold"),
    "links": ("allow", "hold", "reject"),
    "sampling": ("auto", "on", "off"),
}
CREATORS: Final = frozenset({"moderators", "title"})
"""Settings that an appointed moderator may not change."""
PLATFORMS: Final = frozenset({"sampling", "sampling_viewers"})
"""Settings that the platform alone changes: what a stream costs it hangs on them."""


def fault_of(settings: Mapping[str, Any]) -> str | None:
    """Say what is wrong with settings, naming the first that is; None: nothing."""
    for name, value in settings.items():
        fault = _fault(name, value)
        if fault is not None:
            return f"{name}: {fault}"
    return None


def _fault(name: str, value: object) -> str | None:
    if name in NUMBERS:
        valid = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= NUMBERS[name]
        return None if valid else f"a whole number from 0 to {NUMBERS[name]}"
    if name in FLAGS:
        return None if isinstance(value, bool) else "true or false"
    if name in CHOICES:
        return None if value in CHOICES[name] else f"one of {', '.join(CHOICES[name])}"
    check = _OTHERS.get(name)
    return check(value) if check is not None else "there is no such setting"


def _title(value: object) -> str | None:
    valid = isinstance(value, str) and len(value) <= TITLE_CHARS_MAX
    return None if valid else f"text of at most {TITLE_CHARS_MAX} characters"


def _users(limit: int) -> Callable[[object], str | None]:
    def check(value: object) -> str | None:
        valid = (
            isinstance(value, list)
            and len(value) <= limit
            and all(isinstance(user, str) and 0 < len(user) <= USER_CHARS_MAX for user in value)
        )
        return None if valid else f"a list of at most {limit} user ids of 1 to {USER_CHARS_MAX} characters"

    return check


def _words(value: object) -> str | None:
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        return "a list of texts"
    if len(value) > WORDS_MAX or sum(map(len, value)) > WORDS_CHARS_MAX:
        return f"at most {WORDS_MAX} rules and {WORDS_CHARS_MAX} characters in all"
    faults = parse_list(tuple(value)).faults[:FAULTS_TOLD]
    return "; ".join(f"rule {fault.number}: {fault.reason}" for fault in faults) or None


_OTHERS: Final[Mapping[str, Callable[[object], str | None]]] = {
    "title": _title,
    "moderators": _users(MODERATORS_MAX),
    "members": _users(USERS_MAX),
    "words": _words,
}
