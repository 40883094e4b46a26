"""Commands: what moderators and creators do to a stream's rules, or why they may not."""

import json
from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from typing import Any, Final

from agents.core import bans
from agents.core.bans import Ban
from agents.core.conduct import Manners
from agents.core.held import HELD_MAX, Held
from agents.core.rules import Modes, Rules
from agents.core.verdicts import ALLOW, SHADOW, SILENT, Verdict
from schemas import streamsettings
from schemas.filtering import parse_list
from schemas.records import Command, IngestedItem, Origin
from schemas.refusals import Code

MODERATING: Final = frozenset({"creator", "moderator", "platform"})
_MODES: Final = frozenset(field.name for field in fields(Modes))
_MANNERS: Final = frozenset(field.name for field in fields(Manners))


def command(rules: Rules, item: IngestedItem) -> Verdict:
    """Apply a command to its stream's rules, or refuse it and leave them as they are."""
    if item["role"] not in MODERATING and item["user_id"] not in {*rules.moderators, rules.creator}:
        return Verdict("reject", Code.NOT_MODERATOR)
    arguments = item["command"]
    apply = _COMMANDS.get(item["type"])
    if arguments is None or apply is None:
        return _invalid(f"there is no command {item['type'][:32]!r}")
    verdict = apply(rules, item, arguments)
    if verdict.refusal is None:
        rules.origin = Origin(item["offset"], item["index"])
        return replace(verdict, changed=True)
    return verdict


def held_by(rules: Rules, item: IngestedItem) -> IngestedItem | None:
    """Return the comment that an ``approve`` lets through, as a new item at its place; None: none waits.

    Its command says under which id it waited.
    """
    arguments = item["command"]
    held = rules.held.waiting.get(arguments["target"] or "") if arguments is not None else None
    if held is None:
        return None
    return IngestedItem(
        type="comment",
        stream_id=item["stream_id"],
        id=item["id"] if held.shown else held.id,
        user_id=held.user_id,
        user_name=held.user_name,
        role=held.role,
        text=held.text,
        sticker=held.sticker,
        command=arguments,
        offset=item["offset"],
        index=item["index"],
        at=item["at"],
    )


def _invalid(detail: str) -> Verdict:
    return Verdict("reject", Code.INVALID, detail)


def _open(rules: Rules, item: IngestedItem, arguments: Command) -> Verdict:
    value = _settings_of(arguments)
    creator, title = value.get("creator"), value.get("title")
    if item["role"] != "platform":
        return Verdict("reject", Code.NOT_MODERATOR, "only the platform opens streams")
    if not isinstance(creator, str) or not creator or not isinstance(title, str | None):
        return _invalid("a stream needs a creator")
    if rules.creator not in {None, creator}:
        return Verdict("reject", Code.STREAM_EXISTS)
    rules.creator, rules.title = creator, title if title is not None else rules.title
    rules.opened_at = rules.opened_at or item["at"]
    return SILENT


def _settings(rules: Rules, item: IngestedItem, arguments: Command) -> Verdict:
    value = _settings_of(arguments)
    if fault := streamsettings.fault_of(value):
        return _invalid(fault)
    if streamsettings.CREATORS & value.keys() and not _is_creator(rules, item):
        names = ", ".join(sorted(streamsettings.CREATORS & value.keys()))
        return Verdict("reject", Code.NOT_MODERATOR, f"only the creator changes {names}")
    if streamsettings.PLATFORMS & value.keys() and item["role"] != "platform":
        names = ", ".join(sorted(streamsettings.PLATFORMS & value.keys()))
        return Verdict("reject", Code.NOT_MODERATOR, f"only the platform changes {names}")
    for name, given in value.items():
        match name:
            case "words":
                rules.set_words(parse_list(tuple(given)).rules)
            case "slow_mode_seconds":
                rules.slow_seconds = given
            case "moderators" | "members":
                setattr(rules, name, set(given))
            case "title":
                rules.title = given
    rules.modes = replace(rules.modes, **{name: value[name] for name in _MODES & value.keys()})
    rules.manners = replace(rules.manners, **{name: value[name] for name in _MANNERS & value.keys()})
    return ALLOW


def _is_creator(rules: Rules, item: IngestedItem) -> bool:
    return item["role"] in {"creator", "platform"} or item["user_id"] == rules.creator


def _ban(rules: Rules, item: IngestedItem, arguments: Command) -> Verdict:
    target, seconds = arguments["target"], arguments["seconds"]
    if not target:
        return _invalid(f"{item['type']} needs a user")
    if target == rules.creator:
        return _invalid("the creator of a stream cannot be banned from it")
    if item["type"] == "timeout" and not seconds:
        return _invalid("a timeout needs seconds")
    until = None if seconds is None else item["at"] + seconds * 1000
    if not bans.put(rules.bans, target, Ban(item["type"], until, arguments["reason"]), item["at"]):
        return _invalid(f"more than {bans.BANS_MAX} bans on one stream")
    # Whom a shadow ban hides, or who is watched, must not learn of it.
    return SHADOW if item["type"] in {"shadow", "hold"} else ALLOW


def _hold(rules: Rules, item: IngestedItem, arguments: Command) -> Verdict:
    """Let what a user writes from now on wait; or take down one comment that is shown, to wait like these."""
    quoted = arguments.get("comment")
    if quoted is None:
        return _ban(rules, item, arguments)
    if quoted["id"] != arguments["target"]:
        return _invalid("hold needs the comment that it is about")
    if quoted["id"] in rules.held.waiting:
        return SILENT  # a repeat, or a colleague was faster
    if rules.was_taken(quoted, item["at"]):
        return _invalid("the comment was taken away already")
    held = Held.again(quoted, item["at"])
    if not rules.held.put(held):
        return _invalid(f"more than {HELD_MAX} comments wait on this stream")
    rules.take_away(held.id, item["at"])
    return replace(ALLOW, told=((held, Code.HELD),))


def _unban(rules: Rules, item: IngestedItem, arguments: Command) -> Verdict:
    del item
    if not arguments["target"]:
        return _invalid("unban needs a user")
    ban = rules.bans.pop(arguments["target"], None)
    return SHADOW if ban is not None and ban.kind in {"shadow", "hold"} else ALLOW


def _delete(rules: Rules, item: IngestedItem, arguments: Command) -> Verdict:
    if not arguments["target"]:
        return _invalid("delete needs a comment")
    rules.take_away(arguments["target"], item["at"])
    held = rules.held.take(arguments["target"], item["at"])
    return replace(ALLOW, told=rejected([held] if held is not None else []))


def _clear(rules: Rules, item: IngestedItem, arguments: Command) -> Verdict:
    if not arguments["target"]:
        return _invalid("clear needs a user")
    rules.take_away(arguments["target"], item["at"])
    return replace(ALLOW, told=rejected(rules.held.take_user(arguments["target"], item["at"])))


def rejected(held: Iterable[Held]) -> tuple[tuple[Held, Code], ...]:
    """Return what the authors of comments that are taken out of the queue are told."""
    return tuple((each, Code.REJECTED) for each in held)


def _approve(rules: Rules, item: IngestedItem, arguments: Command) -> Verdict:
    if rules.ended:
        return Verdict("reject", Code.STREAM_ENDED)
    target = arguments["target"] or ""
    if rules.held.take(target, item["at"]) is not None:
        return Verdict("approved")
    if target in rules.held.answered:
        return SILENT  # a repeat, or a colleague was faster
    return _invalid("no such comment waits for a moderator")


def _pin(rules: Rules, item: IngestedItem, arguments: Command) -> Verdict:
    if not arguments["target"]:
        return _invalid("pin needs a comment")
    quoted = arguments.get("comment")
    if quoted is not None and (quoted["id"] != arguments["target"] or rules.was_taken(quoted, item["at"])):
        return _invalid("the comment was taken away already, or is another")
    rules.pinned = arguments["target"]
    return ALLOW


def _unpin(rules: Rules, item: IngestedItem, arguments: Command) -> Verdict:
    del item, arguments
    rules.pinned = None
    return ALLOW


def _slow(rules: Rules, item: IngestedItem, arguments: Command) -> Verdict:
    del item
    seconds = arguments["seconds"]
    if seconds is None or not 0 <= seconds <= streamsettings.SLOW_SECONDS_MAX:
        return _invalid(f"slow needs seconds, 0 to {streamsettings.SLOW_SECONDS_MAX}")
    rules.slow_seconds = seconds
    return ALLOW


def _end(rules: Rules, item: IngestedItem, arguments: Command) -> Verdict:
    del item, arguments
    rules.ended = True
    return ALLOW


def _settings_of(arguments: Command) -> dict[str, Any]:
    try:
        value = json.loads(arguments["settings"] or "{}")
    except ValueError:
        return {"": None}  # no setting's name: refused
    return value if isinstance(value, dict) else {"": None}


_COMMANDS: Final[dict[str, Callable[[Rules, IngestedItem, Command], Verdict]]] = {
    "open": _open,
    "settings": _settings,
    "ban": _ban,
    "timeout": _ban,
    "shadow": _ban,
    "hold": _hold,
    "unban": _unban,
    "delete": _delete,
    "clear": _clear,
    "approve": _approve,
    "pin": _pin,
    "unpin": _unpin,
    "slow": _slow,
    "end": _end,
}
