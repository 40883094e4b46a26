"""What is counted of a stream: comments a minute, who speaks, which words rise. Pure, bounded, whole numbers.

A `Slice` is what is said within two seconds by the log's time; a stream's `Tally` is the sum of its slices.
Both depend on nothing but the stream's events: not on how the log was cut, nor on when it was read.

*Words that rise.* A word has two counts: `fast` loses half of itself each minute, `slow` an eighth. What has
just come up has both alike; said at one rate for long, slow is four times fast. All comments together have
the same two, so that the share of fast in slow is held against the stream's own: that is the `lift`, 1 for a
word that is said as ever, also while everybody cheers or in the first minutes, and up to 4 for a new one.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from schemas.records import NOTHING, Event, Origin, Term

SLICE_MS: Final = 2_000
MINUTE_MS: Final = 60_000
MINUTES_MAX: Final = 60
"""That are remembered of a stream; and after so many in which nothing was said it is forgotten."""
SLICE_TERMS_MAX: Final = 2_000
"""Different words that one slice counts; others that come later in it are not."""
SLICE_TERMS_TOLD: Final = 32
TERMS_MAX: Final = 200
"""Words that are remembered of a stream: those with the highest slow counts."""
UNIT: Final = 256
"""A comment counts so much, so that halves of few are whole numbers."""
LIFT_MIN: Final = 1.5
COMMENTS_MIN: Final = 3
_WORD: Final = re.compile(r"[^\W\d_][\w'’]{2,31}")


def words(text: str) -> set[str]:
    """Return the words of a text that count: case folded, of 3 to 32 letters; no links, nobody's @name."""
    return set(_WORD.findall(re.sub(r"[@#]?\S*[@/]\S*", " ", text.casefold())))


@dataclass(slots=True)
class Slice:
    """One stream's events of one slice, under way. ``number``: time over `SLICE_MS`, of the first event.

    ``first``: offset of the first source record in it; ``origin``: of the last one.
    """

    number: int
    first: int
    epoch: str
    from_seq: int
    to_seq: int
    at: int
    origin: Origin = NOTHING
    comments: int = 0
    actions: int = 0
    authors: list[str] = field(default_factory=list)
    """Different ones, as they came."""
    deadline: float | None = None
    """When the clock closes it, ms, monotonic."""
    _seen: set[str] = field(default_factory=set)
    _terms: Counter[str] = field(default_factory=Counter)

    def add(self, event: Event) -> None:
        """Count one event."""
        self.to_seq = event["seq"]
        if event["type"] != "comment":
            self.actions += 1
            return
        if event["mask"] == 0:  # for its author alone
            return
        self.comments += 1
        if event["user_id"] not in self._seen:
            self._seen.add(event["user_id"])
            self.authors.append(event["user_id"])
        for word in sorted(words(event["text"])):
            if word in self._terms or len(self._terms) < SLICE_TERMS_MAX:
                self._terms[word] += 1

    def terms(self) -> list[Term]:
        """Return the most frequent words; of equal ones the first by the alphabet."""
        ranked = sorted(self._terms.items(), key=lambda each: (-each[1], each[0]))
        return [Term(term=term, comments=count) for term, count in ranked[:SLICE_TERMS_TOLD]]


class Minute(NamedTuple):
    """``minute``: since 1970. ``authors``: how many different ones spoke, estimated."""

    minute: int
    comments: int
    actions: int
    authors: int


class Rising(NamedTuple):
    """A word, the comments of late that had it, and how far that is above its own past."""

    term: str
    comments: int
    lift: float


@dataclass(slots=True)
class Tally:
    """What is remembered of one stream. ``sketch``: of the authors of the last minute in ``minutes``."""

    minutes: list[Minute] = field(default_factory=list)
    sketch: bytes = b""
    fast: dict[str, int] = field(default_factory=dict)
    slow: dict[str, int] = field(default_factory=dict)
    fast_all: int = 0
    slow_all: int = 0
    """The same two, of all comments."""

    def take(self, minute: int, comments: int, actions: int, sketch: bytes, authors: int) -> None:
        """Add a slice's counts. ``sketch``, ``authors``: of the whole minute, this slice included."""
        last = self.minutes[-1] if self.minutes else None
        if last is None or minute > last.minute:
            self.fade(minute - last.minute if last else MINUTES_MAX)
            self.minutes.append(Minute(minute, comments, actions, authors))
        else:  # also where a broker's clock went back: minutes never do
            sums = last.comments + comments, last.actions + actions
            self.minutes[-1] = Minute(last.minute, *sums, authors)
        self.sketch = sketch
        self.fast_all += comments * UNIT
        self.slow_all += comments * UNIT
        begin = self.minutes[-1].minute - MINUTES_MAX
        self.minutes = [each for each in self.minutes if each.minute > begin]

    def add_terms(self, terms: Iterable[Term]) -> None:
        """Add a slice's words; forget the rarest beyond the bound."""
        for each in terms:
            term, count = each["term"], each["comments"] * UNIT
            self.fast[term] = self.fast.get(term, 0) + count
            self.slow[term] = self.slow.get(term, 0) + count
        if len(self.slow) > TERMS_MAX:
            ranked = sorted(self.slow.items(), key=lambda each: (-each[1], each[0]))
            self.slow = dict(ranked[:TERMS_MAX])
            self.fast = {term: self.fast[term] for term in self.slow}

    def fade(self, minutes: int) -> None:
        """Let words fade for so many minutes; those of which little is left are forgotten."""
        if minutes >= MINUTES_MAX:  # as if the stream had been forgotten
            self.fast, self.slow, self.fast_all, self.slow_all = {}, {}, 0, 0
            return
        for _ in range(minutes):
            self.fast = {term: count // 2 for term, count in self.fast.items()}
            self.slow = {term: _less(count) for term, count in self.slow.items()}
            self.fast_all, self.slow_all = self.fast_all // 2, _less(self.slow_all)
        self.slow = {term: count for term, count in self.slow.items() if count >= UNIT // 8}
        self.fast = {term: self.fast[term] for term in self.slow}

    def rising(self, limit: int) -> Sequence[Rising]:
        """Return the words that are above their own past, the loudest first."""
        if not self.fast_all:
            return []
        usual = self.fast_all / self.slow_all
        found = [
            Rising(term, fast // UNIT, round(lift, 2))
            for term, fast in self.fast.items()
            if fast >= COMMENTS_MIN * UNIT and (lift := fast / self.slow[term] / usual) >= LIFT_MIN
        ]
        return sorted(found, key=lambda each: (-each.comments * each.lift, each.term))[:limit]

    def is_over(self, minute: int) -> bool:
        """Whether nothing was said for so long that it is forgotten."""
        return not self.minutes or minute - self.minutes[-1].minute >= MINUTES_MAX

    def to_json(self) -> dict[str, Any]:
        """As the checkpoint holds it."""
        terms = {term: [self.fast[term], slow] for term, slow in self.slow.items()}
        whole = [self.fast_all, self.slow_all]
        return {"minutes": self.minutes, "sketch": self.sketch.hex(), "terms": terms, "all": whole}

    @classmethod
    def of_json(cls, found: Mapping[str, Any]) -> "Tally":
        """Read it back."""
        terms = found["terms"]
        return cls(
            [Minute(*each) for each in found["minutes"]],
            bytes.fromhex(found["sketch"]),
            {term: fast for term, (fast, _) in terms.items()},
            {term: slow for term, (_, slow) in terms.items()},
            *found["all"],
        )


def _less(count: int) -> int:
    """Take an eighth away, and one at least."""
    return count - -(-count // 8)
