"""Word lists made in a thread, so that no list, however long, stops a stage."""

import asyncio
import gc
import json
import threading
from collections.abc import Sequence
from typing import Any

from agents.core.policy import Policy
from agents.core.verdicts import Platform
from schemas.filtering import WordList, build, parse, parse_list
from schemas.records import IngestedItem


class Uncollected:
    """Keeps the cyclic collector off while lists are made, in however many threads.

    Making 100,000 rules allocates enough to make it look at the whole heap, which stops every thread for
    0.1 s and more; what is made has no cycles, and is freed without it.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._was_on = False

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._was_on = gc.isenabled()
                gc.disable()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0 and self._was_on:
                gc.enable()


UNCOLLECTED = Uncollected()


def listed(rules: Sequence[str]) -> WordList:
    """Make a list of what somebody wrote; what is no rule is left out. For a thread."""
    with UNCOLLECTED:
        return WordList(parse(rules).rules)


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
                self._last = (wanted, await asyncio.to_thread(listed, wanted))
            platform.swap(self._last[1])


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
            with UNCOLLECTED:
                build(parse_list(tuple(words)).rules)
