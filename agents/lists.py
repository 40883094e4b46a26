"""Word lists made in a thread, so that no list, however long, stops a stage."""

import asyncio
import gc
import json
import sys
import threading
from collections.abc import Sequence
from typing import Any

from agents.core.policy import Policy, merged
from agents.core.verdicts import Platform
from schemas.filtering import WordList, build, parse, parse_list
from schemas.records import IngestedItem

SWITCH_SECONDS = 0.0005
"""After which the thread that makes a list hands the interpreter on; Python's own is ten times that, and a
stage that waits for something asks for it each time."""


class Quietly:
    """Keeps what disturbs the stage away while lists are made, in however many threads.

    The cyclic collector: making 100,000 rules allocates enough to make it look at the whole heap, which stops
    every thread for 0.1 s and more; what is made has no cycles, and is freed without it. And the usual switch
    interval of the interpreter (`SWITCH_SECONDS`): the stage's median pause falls from 8 to 0.7 ms, its worst
    by half.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._was_on = False
        self._interval = 0.0

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._was_on, self._interval = gc.isenabled(), sys.getswitchinterval()
                gc.disable()
                sys.setswitchinterval(SWITCH_SECONDS)
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                sys.setswitchinterval(self._interval)
                if self._was_on:
                    gc.enable()


QUIETLY = Quietly()


def listed(rules: Sequence[str]) -> WordList:
    """Make a list of what somebody wrote; what is no rule is left out. For a thread."""
    with QUIETLY:
        return WordList(parse(rules).rules)


class Lists:
    """The platform's list in force; partitions share what was made last."""

    def __init__(self, words: WordList) -> None:
        self._last = words
        self._making = asyncio.Lock()
        """All partitions hear the same at about the same time: one makes the list, the others get it."""
        self._tasks: dict[int, asyncio.Task[None]] = {}
        """By partition."""

    def follow(self, partition: int, policy: Policy, platform: Platform) -> None:
        """Make the list that was heard last in the background, and swap it in whole."""
        making = self._tasks.get(partition)
        if making is None or making.done():
            task = asyncio.get_running_loop().create_task(self._make(policy, platform))
            self._tasks[partition] = task

    async def _make(self, policy: Policy, platform: Platform) -> None:
        wanted: tuple[tuple[str, ...], ...] | None = None
        while wanted is not policy.lists:
            async with self._making:
                wanted = policy.lists
                self._last = await asyncio.to_thread(_listed, wanted, self._last)
            platform.swap(self._last)


def _listed(lists: Sequence[Sequence[str]], last: WordList) -> WordList:
    """Make one list of all, or return the last one where that is it. For a thread."""
    with QUIETLY:
        rules = parse(merged(lists)).rules
        return last if rules == last.rules else WordList(rules)


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
            with QUIETLY:
                build(parse_list(tuple(words)).rules)
