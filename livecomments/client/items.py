"""What a viewer hands out: events, what is missing, how the connection is."""

from dataclasses import dataclass

from livecomments.client.position import Event, Hole, Position


@dataclass(frozen=True, slots=True)
class Seen:
    """An event of the stream."""

    epoch: str
    event: Event


@dataclass(frozen=True, slots=True)
class Missed:
    """What was not shown."""

    epoch: str
    hole: Hole


@dataclass(frozen=True, slots=True)
class State:
    """``connecting`` (and why), ``live`` or ``resumed`` (and where)."""

    name: str
    reason: str = ""
    position: Position | None = None


Item = Seen | Missed | State
