"""The platform's own lists and bans, as ``moderation.policy`` says them: they hold on every stream.

A list is written in parts, each a record of its own; it holds when all parts of one version are there.
Pure: what is heard goes in; `Policy` has what holds, and says when its rules are other than before.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from agents.core import bans
from agents.core.bans import Ban
from schemas.policies import Part, part_of
from schemas.records import Item


@dataclass(slots=True)
class Policy:
    """See the module. ``base``: rules of the lists in files."""

    base: tuple[str, ...] = ()
    bans: dict[str, Ban] = field(default_factory=dict)
    rules: tuple[str, ...] = ()
    """Of all lists together."""
    _parts: dict[str, dict[int, Part]] = field(default_factory=dict)
    _lists: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.rules = self.base

    def take(self, items: Iterable[Item], at: int) -> bool:
        """Take commands; return whether `rules` changed. ``at``: ms since 1970, of their record."""
        changed = False
        for item in items:
            command = item["command"]
            if command is None:
                continue
            target = command["target"]
            match item["type"]:
                case "ban" | "timeout" if target:
                    seconds = command["seconds"]
                    until = None if seconds is None else at + seconds * 1000
                    bans.put(self.bans, target, Ban(item["type"], until, command["reason"]), at)
                case "unban" if target:
                    self.bans.pop(target, None)
                case "words" if target:
                    changed |= self._take_words(target, _json(command["settings"]))
        return changed

    def _take_words(self, name: str, value: dict[str, Any]) -> bool:
        part = part_of(value)
        if part is None:
            return False
        parts = self._parts.setdefault(name, {})
        parts[part.number] = part
        whole = [parts.get(number) for number in range(part.total)]
        if any(each is None or each.version != part.version for each in whole):
            return False
        rules = tuple(rule for each in whole if each is not None for rule in each.rules)
        if rules == self._lists.get(name, ()):
            return False
        self._lists[name] = rules
        lists = (self._lists[name] for name in sorted(self._lists))
        self.rules = tuple(dict.fromkeys(chain(self.base, *lists)))
        return True


def _json(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
