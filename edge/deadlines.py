"""Deadlines without a timer each: connections sit in slots of a wheel, and one tick serves a whole slot.

A handshake that does not end, a ping that is due, a token that expires, a socket that takes nothing: all
of them are seconds away, so that a quarter of one is precise enough.
"""

import asyncio
import math
from typing import Protocol

TICK_SECONDS = 0.25


class Mortal(Protocol):
    """Something with a deadline."""

    def deadline(self, now: float) -> float | None:
        """Do what is due at ``now``; return when to be asked next, or None for never again."""


class Deadlines:
    """The wheel. An entry is asked at the first tick after its time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, list[Mortal]] = {}
        self._next = math.floor(loop.time() / TICK_SECONDS)
        self._timer = loop.call_later(TICK_SECONDS, self._tick)

    def add(self, mortal: Mortal, at: float) -> None:
        """Ask ``mortal`` at a time. There is no way to take it back: it may answer that nothing is due."""
        slot = max(math.floor(at / TICK_SECONDS) + 1, self._next)
        self._slots.setdefault(slot, []).append(mortal)

    def stop(self) -> None:
        """Ask nobody any more."""
        self._timer.cancel()
        self._slots.clear()

    def _tick(self) -> None:
        now = self._loop.time()
        current = math.floor(now / TICK_SECONDS)
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)
        while self._next <= current:
            slot = self._slots.pop(self._next, ())
            self._next += 1
            for mortal in slot:
                at = mortal.deadline(now)
                if at is not None:
                    self.add(mortal, at)
