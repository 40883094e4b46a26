"""What a gateway refuses before Kafka. Pure.

A first answer, not the last word: the log's ``moderate`` stage decides with authority. What is not
known here (Redis away) is not held against anyone.
"""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from edge.auth import Viewer
from schemas.emotes import is_emotes
from schemas.items import COMMANDS, NEED_TARGET, normal
from schemas.refusals import Code, Refusal

STICKER: Final = re.compile(r"[A-Za-z0-9._~-]{1,64}")
REASON_CHARS_MAX = 500
TARGET_CHARS_MAX = 128
SECONDS_MAX = 10 * 365 * 86_400
SLOW_SECONDS_MAX = 86_400
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_BAN_CODES: Final = {"ban": Code.BANNED, "timeout": Code.TIMED_OUT}


@dataclass(frozen=True, slots=True)
class Ban:
    """As ``bans:{stream}`` holds it. ``until``: ms since 1970; None: for good."""

    kind: str
    until: int | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Spent:
    """What the author's bucket said. ``code``: None, SLOW_MODE or RATE_LIMITED with the wait.

    ``retry``: the same id went on before.
    """

    code: Code | None = None
    wait_seconds: float = 0.0
    retry: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """What Redis knows about an author on a stream. All empty: a stream nobody has opened."""

    ban: Ban | None = None
    state: str | None = None
    creator: str | None = None
    moderators: frozenset[str] = frozenset()
    spent: Spent = Spent()
    everywhere: Ban | None = None
    """The author's ban from the whole platform."""
    modes: frozenset[str] = frozenset()
    """Of members_only, emote_only."""
    member: bool = False


def refusal_of_comment(  # noqa: PLR0911 - one answer a rule
    facts: Facts, user_id: str, now_ms: int, text: str = ""
) -> Refusal | None:
    """Say why a comment is refused; None: it may go on.

    A retry may: it can be in the log already, and only the log knows what became of it.
    """
    if facts.spent.retry:
        return None
    for ban in (facts.everywhere, facts.ban):
        if ban is not None and ban.kind in _BAN_CODES and (ban.until is None or ban.until > now_ms):
            wait = None if ban.until is None else (ban.until - now_ms) / 1000
            return Refusal(_BAN_CODES[ban.kind], ban.reason or "", wait)
    if facts.state == "ended":
        return Refusal(Code.STREAM_ENDED)
    if facts.modes and user_id != facts.creator and user_id not in facts.moderators:
        if "members_only" in facts.modes and not facts.member:
            return Refusal(Code.MEMBERS_ONLY)
        if "emote_only" in facts.modes and not is_emotes(text):
            return Refusal(Code.EMOTE_ONLY)
    match facts.spent.code:
        case None:
            return None
        case Code.SLOW_MODE if user_id == facts.creator or user_id in facts.moderators:
            return None  # appointed moderators have a viewer's token
        case code:
            return Refusal(code, wait_seconds=facts.spent.wait_seconds)


def refusal_of_command(
    facts: Facts | None, viewer: Viewer, stream_id: str, type_: str, command: Mapping[str, Any]
) -> Refusal | None:
    """Say why a command is refused; None: it may go on. ``facts`` None: not known.

    ``command``: `schemas.records.Command`, but for its ``settings`` being an object.
    """
    if not viewer.may_write(stream_id) or (type_ == "open" and viewer.role != "platform"):
        return Refusal(Code.NOT_MODERATOR)
    if facts is None:
        return None
    if type_ == "open":
        creator = (command["settings"] or {}).get("creator")
        return Refusal(Code.STREAM_EXISTS) if facts.creator and facts.creator != creator else None
    if not viewer.may_moderate(stream_id) and viewer.user_id not in {facts.creator, *facts.moderators}:
        return Refusal(Code.NOT_MODERATOR)
    about_user = type_ in {"ban", "timeout", "shadow", "hold"} and command.get("comment") is None
    if about_user and command["target"] == facts.creator:
        return Refusal(Code.INVALID, "the creator of a stream cannot be banned from it")
    return None


def fault_of_command(  # noqa: PLR0911 - one answer a rule
    type_: str, target: str | None, seconds: int | None, reason: str | None
) -> str | None:
    """Say what is wrong with a command's arguments; None when nothing is."""
    if type_ not in COMMANDS:
        return f"there is no command {type_[:32]!r}"
    if type_ in NEED_TARGET and not target:
        return f"{type_} needs a target"
    if target is not None and (len(target) > TARGET_CHARS_MAX or _CONTROLS.search(target)):
        return f"the target is longer than {TARGET_CHARS_MAX} characters, or has control characters"
    if seconds is not None and not 0 <= seconds <= SECONDS_MAX:
        return f"seconds is not 0 to {SECONDS_MAX}"
    if type_ == "slow" and (seconds is None or seconds > SLOW_SECONDS_MAX):
        return f"slow needs seconds, 0 to {SLOW_SECONDS_MAX}"
    if reason is not None and (len(reason) > REASON_CHARS_MAX or _CONTROLS.search(reason)):
        return f"the reason is longer than {REASON_CHARS_MAX} characters, or has control characters"
    return None


def clean_text(text: str, chars_max: int, *, may_be_empty: bool = False) -> str:
    """Return ``text`` in NFC, trimmed; raises Refusal (INVALID). Nothing else is altered."""
    text = normal(text)
    if _CONTROLS.search(text):
        raise Refusal(Code.INVALID, "control characters are not allowed")
    if len(text) > chars_max:
        raise Refusal(Code.INVALID, f"at most {chars_max} characters, not {len(text)}")
    if not text and not may_be_empty:
        raise Refusal(Code.INVALID, "the text is empty")
    return text


def clean_sticker(sticker: str | None) -> str | None:
    """Return the sticker's name; raises Refusal (INVALID)."""
    if sticker is not None and not STICKER.fullmatch(sticker):
        raise Refusal(Code.INVALID, "a sticker's name is 1 to 64 letters, digits, '.', '_', '~', '-'")
    return sticker


def clean_id(given: str | None, fresh: Callable[[], str], now_ms: int, window_seconds: int) -> str:
    """Return the id in lower case, or a fresh one for None.

    Raises:
        Refusal: INVALID for what is no UUID; TOO_OLD for a UUIDv7 made before the duplicate window,
            whose repeat could not be told from a first time.

    """
    if given is None:
        return fresh()
    if not _UUID.fullmatch(given):
        raise Refusal(Code.INVALID, "the id is no UUID")
    made = made_at_ms(given)
    if made is not None and made < now_ms - window_seconds * 1000:
        raise Refusal(Code.TOO_OLD)
    return given.lower()


def made_at_ms(id_: str) -> int | None:
    """Return when a UUIDv7 was made, ms since 1970; None for other versions."""
    value = uuid.UUID(id_)
    return value.int >> 80 if value.version == 7 else None
