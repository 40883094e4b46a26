"""How often each emoji was tapped on a stream, since it began. Pure.

An edge counts its viewers' taps for half a second and writes one record, named (edge, boot, window). Totals
say up to which offset of the topic they count, and are written with it; so a record that is read again is
not counted again, and neither is one that an edge writes twice.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from schemas.records import Reaction

KINDS_MAX: Final = 32
"""Of emoji on one stream; further ones are not counted."""
EMOJI_CHARS_MAX: Final = 16
TAPS_MAX: Final = 10_000_000
"""Of one emoji in one record; more is impossible."""
EDGES_MAX: Final = 4_096
"""Edges of one stream whose last window is remembered."""


@dataclass(slots=True)
class Totals:
    """One stream's. ``reacted``: the offset up to which they count."""

    counts: dict[str, int] = field(default_factory=dict)
    reacted: int = -1
    _windows: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Edge → its last (boot, window)."""

    def take(self, offset: int, record: Reaction) -> bool:
        """Add a record; whether it counts."""
        if offset <= self.reacted:
            return False
        self.reacted = offset
        edge, window = record["edge"], (record["boot"], record["window"])
        if window <= self._windows.get(edge, ("", -1)):
            return False
        if edge not in self._windows and len(self._windows) >= EDGES_MAX:
            del self._windows[next(iter(self._windows))]
        self._windows[edge] = window
        sound = {
            emoji: taps
            for emoji, taps in record["counts"].items()
            if 0 < taps <= TAPS_MAX and 0 < len(emoji) <= EMOJI_CHARS_MAX
        }
        for emoji, taps in sound.items():
            if emoji in self.counts or len(self.counts) < KINDS_MAX:
                self.counts[emoji] = self.counts.get(emoji, 0) + taps
        return bool(sound)

    def raise_to(self, counts: Mapping[str, Any], reacted: int) -> None:
        """Take over totals that were written; by maximum, so that folding twice is folding once."""
        if reacted > self.reacted:
            self.counts, self.reacted = dict(counts), reacted
