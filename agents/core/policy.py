"""The platform's own lists and bans, as ``moderation.policy`` says them: they hold on every stream.

A list is written in parts, each a record of its own; it holds when all parts of one version are there.
Pure: what is heard goes in; `Policy` has what holds, and says when its lists are other than before. It looks
at no rule of a list: with 100,000 of them that would stop the stage for 15 ms.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final

from agents.core import bans
from agents.core.bans import Ban
from schemas.policies import Part, part_of, parts_of
from schemas.records import Item

NO_RULES: Final = parts_of(())[0].version


@dataclass(slots=True)
class Policy:
    """See the module. ``base``: rules of the lists in files."""

    base: tuple[str, ...] = ()
    bans: dict[str, Ban] = field(default_factory=dict)
    lists: tuple[tuple[str, ...], ...] = ()
    """Rules in parts; another tuple when they are other than before. `merged` makes one list of them."""
    _parts: dict[str, dict[int, Part]] = field(default_factory=dict)
    _whole: dict[str, list[Part]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lists = (self.base,)

    def take(self, items: Iterable[Item], at: int) -> bool:
        """Take commands; return whether `lists` changed. ``at``: ms since 1970, of their record."""
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
        found = (parts.get(number) for number in range(part.total))
        whole = [each for each in found if each is not None and each.version == part.version]
        if len(whole) < part.total or part.version == self._version(name):
            return False
        self._whole[name] = whole
        lists = (self._whole[name] for name in sorted(self._whole))
        self.lists = (self.base, *(each.rules for parts in lists for each in parts))
        return True

    def _version(self, name: str) -> str:
        whole = self._whole.get(name)
        return whole[0].version if whole else NO_RULES


def merged(lists: Iterable[Iterable[str]]) -> tuple[str, ...]:
    """Return all rules once, in order. For a thread, where they are many."""
    return tuple(dict.fromkeys(chain.from_iterable(lists)))


def _json(text: str | None) -> dict[str, Any]:
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
