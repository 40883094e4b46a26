"""Where a viewer's video is, as the viewer said last. Pure; ``now`` in seconds, monotonic."""

import math
from dataclasses import dataclass
from typing import Final

from edge.replay.asked import Asked

JUMP_MS: Final = 2_000
"""A position this near to where the video was taken to be sets the clock right; farther, it is a jump."""


@dataclass(frozen=True, slots=True)
class Playhead:
    """A video at ``position_ms`` when the clock said ``since``, going on at ``speed`` unless ``paused``."""

    position_ms: float
    since: float
    speed: float = 1.0
    paused: bool = False

    def at(self, now: float) -> float:
        """Return the position in ms."""
        if self.paused:
            return self.position_ms
        return self.position_ms + max(0.0, now - self.since) * 1000 * self.speed

    def when(self, position_ms: float) -> float:
        """Return when the video is there; in the past: it was. Infinity: it is paused before it."""
        if self.paused:
            return self.since if position_ms <= self.position_ms else math.inf
        return self.since + (position_ms - self.position_ms) / (1000 * self.speed)

    def asked(self, asked: Asked, now: float) -> "Playhead":
        """Return it as it goes on."""
        return Playhead(
            self.at(now) if asked.position_ms is None else asked.position_ms,
            now,
            self.speed if asked.speed is None else asked.speed,
            self.paused if asked.paused is None else asked.paused,
        )

    def jumps(self, asked: Asked, now: float) -> bool:
        """Whether what is asked is elsewhere in the video."""
        if asked.position_ms is None:
            return False
        return abs(asked.position_ms - self.at(now)) > JUMP_MS * max(1.0, self.speed)
