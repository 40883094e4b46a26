"""What a stream allows: creator, moderators, bans, words, whether it has ended. Verdicts and commands.

Time is the log-append time of the item that is judged, so that a repeat has the same verdict.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from agents.core.words import WORD_CHARS_MAX, WORD_CHARS_MIN, automaton, fold, listed
from schemas.records import Command, IngestedItem, Origin
from schemas.refusals import Code

WORDS_MAX = 10_000
MODERATING = frozenset({"creator", "moderator", "platform"})
BAN_KINDS = {"ban": Code.BANNED, "timeout": Code.TIMED_OUT}


@dataclass(frozen=True, slots=True)
class Ban:
    """``until``: ms since 1970; None: for good. ``kind``: ban | timeout | shadow."""

    kind: str
    until: int | None
    reason: str | None


@dataclass(slots=True)
class Rules:
    """One stream's."""

    creator: str | None = None
    title: str | None = None
    moderators: set[str] = field(default_factory=set)
    bans: dict[str, Ban] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    slow_seconds: int = 0
    pinned: str | None = None
    ended: bool = False
    opened_at: int = 0
    origin: Origin = field(default_factory=lambda: Origin(-1, 0))
    """Of the last command applied."""

    def to_json(self) -> str:
        """As the table holds it."""
        value = {
            "creator": self.creator,
            "title": self.title,
            "moderators": sorted(self.moderators),
            "bans": {user: [ban.kind, ban.until, ban.reason] for user, ban in self.bans.items()},
            "words": list(self.words),
            "slow_seconds": self.slow_seconds,
            "pinned": self.pinned,
            "ended": self.ended,
            "opened_at": self.opened_at,
        }
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, origin: Origin) -> "Rules":
        """From the table."""
        value = json.loads(text)
        value["moderators"] = set(value["moderators"])
        value["bans"] = {user: Ban(*ban) for user, ban in value["bans"].items()}
        value["words"] = tuple(value["words"])
        return cls(**value, origin=origin)


@dataclass(frozen=True, slots=True)
class Verdict:
    """``verdict``: allow | reject | shadow | silent (applied, but nothing that viewers see)."""

    verdict: str
    refusal: Code | None = None


ALLOW = Verdict("allow")
SILENT = Verdict("silent")


def judge(rules: Rules | None, item: IngestedItem, platform_words: Callable[[str], bool]) -> Verdict:
    """Judge a comment. ``platform_words`` says whether a folded text has a platform-wide listed word."""
    ban = rules.bans.get(item["user_id"]) if rules else None
    if ban is not None and ban.until is not None and ban.until <= item["at"]:
        ban = None
    if ban is not None and ban.kind in BAN_KINDS:
        return Verdict("reject", BAN_KINDS[ban.kind])
    if rules and rules.ended:
        return Verdict("reject", Code.STREAM_ENDED)
    text = fold(item["text"])
    if platform_words(text) or (rules and rules.words and automaton(rules.words).found(text)):
        return Verdict("reject", Code.MODERATED)
    return Verdict("shadow") if ban is not None else ALLOW


def command(rules: Rules, item: IngestedItem) -> Verdict:
    """Apply a command to its stream's rules, or refuse it and leave them as they are."""
    if item["role"] not in MODERATING and item["user_id"] not in rules.moderators:
        return Verdict("reject", Code.NOT_MODERATOR)
    arguments = item["command"]
    if arguments is None:
        return Verdict("reject", Code.INVALID)
    verdict = _apply(rules, item, arguments)
    if verdict.refusal is None:
        rules.origin = Origin(item["offset"], item["index"])
    return verdict


def _apply(rules: Rules, item: IngestedItem, arguments: Command) -> Verdict:  # noqa: PLR0911 - one a command
    target, seconds = arguments["target"], arguments["seconds"]
    match item["type"]:
        case "open":
            return _open(rules, item, json.loads(arguments["settings"] or "{}"))
        case "settings":
            return _settings(rules, json.loads(arguments["settings"] or "{}"))
        case "ban" | "timeout" | "shadow" if target and target != rules.creator:
            until = None if seconds is None else item["at"] + seconds * 1000
            rules.bans[target] = Ban(item["type"], until, arguments["reason"])
            # Whom a shadow ban hides must not learn of it.
            return Verdict("shadow") if item["type"] == "shadow" else ALLOW
        case "unban" if target:
            rules.bans.pop(target, None)
            return ALLOW
        case "delete" | "clear" if target:
            return ALLOW
        case "pin" if target:
            rules.pinned = target
            return ALLOW
        case "unpin":
            rules.pinned = None
            return ALLOW
        case "slow" if seconds is not None and seconds >= 0:
            rules.slow_seconds = seconds
            return ALLOW
        case "end":
            rules.ended = True
            return ALLOW
        case _:
            return Verdict("reject", Code.INVALID)


def _open(rules: Rules, item: IngestedItem, value: dict[str, Any]) -> Verdict:
    creator, title = value.get("creator"), value.get("title")
    if item["role"] != "platform":
        return Verdict("reject", Code.NOT_MODERATOR)
    if not isinstance(creator, str) or not creator or not isinstance(title, str | None):
        return Verdict("reject", Code.INVALID)
    if rules.creator not in {None, creator}:
        return Verdict("reject", Code.STREAM_EXISTS)
    rules.creator, rules.title = creator, title if title is not None else rules.title
    rules.opened_at = rules.opened_at or item["at"]
    return SILENT


def _settings(rules: Rules, value: dict[str, Any]) -> Verdict:
    checked: dict[str, Any] = {}
    for name, given in value.items():
        match name, given:
            case "words", list() if len(given) <= WORDS_MAX and all(_is_word(word) for word in given):
                checked["words"] = listed(given)
            case "slow_mode_seconds", int() if 0 <= given <= 86_400:
                checked["slow_seconds"] = given
            case "moderators", list() if all(isinstance(user, str) and user for user in given):
                checked["moderators"] = set(given)
            case "title", str():
                checked["title"] = given
            case _:
                return Verdict("reject", Code.INVALID)
    for name, given in checked.items():
        setattr(rules, name, given)
    return ALLOW


def _is_word(word: object) -> bool:
    """One-letter words are refused: they would match everything."""
    return isinstance(word, str) and WORD_CHARS_MIN <= len(word.strip()) <= WORD_CHARS_MAX
