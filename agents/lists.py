"""Word lists made in a thread, so that no list, however long, stops a stage."""

import asyncio
import json
from collections.abc import Sequence
from typing import Any

from agents.core.policy import Policy
from agents.core.verdicts import Platform
from schemas.filtering import WordList, build, parse, parse_list
from schemas.records import IngestedItem


class Lists:
    """The platform's list in force; partitions share what was made last."""

    def __init__(self, words: WordList) -> None:
        self._last = (words.rules, words)
        self._tasks: dict[int, asyncio.Task[None]] = {}
        """By partition."""

    def follow(self, partition: int, policy: Policy, platform: Platform) -> None:
        """Make the list that was heard last in the background, and swap it in whole."""
        making = self._tasks.get(partition)
        if making is None or making.done():
            task = asyncio.get_running_loop().create_task(self._make(policy, platform))
            self._tasks[partition] = task

    async def _make(self, policy: Policy, platform: Platform) -> None:
        wanted: tuple[str, ...] | None = None
        while wanted is not policy.rules:
            wanted = policy.rules
            if self._last[0] != wanted:
                self._last = (wanted, await asyncio.to_thread(_listed, wanted))
            platform.swap(self._last[1])


def _listed(rules: tuple[str, ...]) -> WordList:
    """Make a list of what somebody wrote into the policy; what is no rule is left out."""
    return WordList(parse(rules).rules)


def make_lists(items: Sequence[IngestedItem]) -> None:
    """Make what `Rules.set_words` will ask for, so that it is there when the command is applied."""
    for item in items:
        arguments = item["command"]
        if item["type"] != "settings" or arguments is None:
            continue
        try:
            value: Any = json.loads(arguments["settings"] or "{}")
        except ValueError:
            continue
        words = value.get("words") if isinstance(value, dict) else None
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            build(parse_list(tuple(words)).rules)
