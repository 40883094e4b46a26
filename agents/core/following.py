"""Where each stream of a partition stands in the fan-out: what ``sample`` has passed on."""

from dataclasses import dataclass, field

from agents.errors import LostHistoryError
from schemas.continuity import Step, follow
from schemas.records import Fanout, Origin, Sequenced


@dataclass(frozen=True, slots=True)
class Passed:
    """The last segment of a stream that was passed on."""

    epoch: str
    seq: int
    origin: Origin
    at: int


@dataclass(slots=True)
class Follower:
    """One partition's streams; by maximum, so that folding twice is folding once."""

    places: dict[str, Passed] = field(default_factory=dict)

    def take(self, segment: Sequenced) -> Step | None:
        """Return what ``segment`` adds, and move on; None when it was passed on before.

        Raises:
            LostHistoryError: the segment begins beyond what was passed on.

        """
        place = self.places.get(segment["stream_id"])
        at = (place.epoch, place.seq) if place else (segment["epoch"], 0)
        step = follow_on(*at, segment)
        if step is not None:
            self.raise_to(segment["stream_id"], _passed(segment))
        return step

    def fold(self, segment: Fanout) -> None:
        """Take over one of the stage's own segments."""
        self.raise_to(segment["stream_id"], _passed(segment))

    def raise_to(self, stream_id: str, place: Passed) -> None:
        """Move on, never back."""
        known = self.places.get(stream_id)
        if known is None or known.epoch != place.epoch or place.seq > known.seq:
            self.places[stream_id] = place


def follow_on(epoch: str, seq: int, segment: Sequenced) -> Step | None:
    """Return what ``segment`` adds at a position; raises LostHistoryError as `Follower.take` does."""
    step = follow(epoch, seq, segment)
    if step is not None and step.gap is not None:
        raise LostHistoryError(
            f"sample: a stream's segments jump from {step.gap[0]} to {step.gap[1]}: "
            "records of comments.sequenced between them are lost"
        )
    return step


def _passed(segment: Sequenced | Fanout) -> Passed:
    at = segment["events"][-1]["at"] if segment["events"] else 0
    return Passed(segment["epoch"], segment["to_seq"], Origin.from_wire(segment["origin"]), at)
