"""What was done and seen, one JSON object a line. The checker knows nothing else.

A *fact* is written by whoever invoked or saw it, when it happened: ``t`` is CLOCK_MONOTONIC in seconds,
one clock for all processes of a machine. Texts are never written, only a hash of them (`text_hash`).

| fact | says |
|---|---|
| ``run`` | seed, bounds, and how many of each thing a run that counts must have |
| ``publish`` | a comment was submitted (``invoke``), and answered ``ok``, ``fail`` or ``unknown`` |
| ``command`` | the same of a delete, clear, ban or unban |
| ``subscribe`` | a viewer was let in, with the position it asked for and the one it got |
| ``receive`` | a viewer got a publication, live or as catch-up, with what it announces |
| ``listen`` ``told`` | a viewer was let in to its own channel; a notice on it: a comment was refused |
| ``present`` | a viewer is connected at the end, and so must be up to date |
| ``submitted`` ``verdicts`` ``segment`` ``notice`` ``dead`` | the log's truth, from an independent reader |
| ``row`` ``archived`` | a row of a store that keeps comments, and how far it was read |
| ``fault`` | a fault began, ended (all well again), or was an instant (``poison``) |
| ``stall`` | the observer itself did not run for a while |
| ``quiet`` | nothing was under way any more, and everything was read |

An answer that did not come is ``unknown``, never ``fail``; so is a publish with no answer at all.
"""

import hashlib
import unicodedata
from dataclasses import dataclass, field
from typing import NamedTuple

HASH_BYTES = 8
MASK_ALL = -1


def text_hash(text: str) -> str:
    """Return the hash of a text as viewers should see it: in NFC, trimmed."""
    shown = unicodedata.normalize("NFC", text).strip()
    return hashlib.blake2b(shown.encode(errors="replace"), digest_size=HASH_BYTES).hexdigest()


class Content(NamedTuple):
    """What stands at one seq. ``id``: of a comment; viewers do not see those of commands.

    ``target``: of a command. ``mask``: lanes that see it, as the log has it. ``seconds``: how long a command
    holds; -1: for good.
    """

    seq: int
    type: str
    id: str
    user: str
    text: str
    target: str = ""
    mask: int = MASK_ALL
    seconds: int = -1

    @property
    def told(self) -> tuple[str, str, str, str, str]:
        """What everybody who is shown it must agree about."""
        is_comment = self.type == "comment"
        return (self.type, self.id if is_comment else "", self.user, self.text, self.target)


class Place(NamedTuple):
    """A position in a stream."""

    epoch: str
    seq: int


class Hole(NamedTuple):
    """An announced range (from, to]."""

    from_seq: int
    to_seq: int
    reason: str


class Submission(NamedTuple):
    """One item of ``comments.submitted``; ``item``: its place in the record."""

    item: int
    type: str
    stream: str
    id: str
    user: str
    text: str


class Judged(NamedTuple):
    """One item of ``comments.moderated``; (offset, item) is its origin."""

    offset: int
    item: int
    type: str
    stream: str
    id: str
    user: str
    verdict: str
    refusal: str


@dataclass(frozen=True, slots=True)
class Minimum:
    """What a run must have done for its result to count. ``kinds``: faults that must have happened."""

    publishes: int = 0
    deliveries: int = 0
    faults: int = 0
    kinds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """``wall_ms``: ms since 1970 at ``t``. ``bound_ms``: from a delete's ``ok`` to nobody being shown it.

    ``duplicates_ms``: how long a repeated id counts once. ``window_ms``: how long catch-up is kept.
    """

    t: float
    seed: int
    wall_ms: int
    bound_ms: int = 500
    duplicates_ms: int = 120_000
    window_ms: int = 900_000
    minimum: Minimum = field(default_factory=Minimum)


@dataclass(frozen=True, slots=True)
class Publish:
    """``stage``: invoke | ok | fail | unknown. ``op``: the same number in the invoke and its answer.

    ``forbidden``: the text has a listed word, or its author is banned for good: it must not be shown.
    """

    t: float
    op: int
    stage: str
    stream: str
    id: str
    user: str
    text: str = ""
    code: int = 0
    forbidden: bool = False


@dataclass(frozen=True, slots=True)
class Command:
    """``type``: delete | clear | ban | unban. ``stage`` and ``op`` as in `Publish`."""

    t: float
    op: int
    stage: str
    type: str
    stream: str
    user: str
    target: str


@dataclass(frozen=True, slots=True)
class Subscribe:
    """``asked``: None for a first one. ``slow``: this viewer reads slowly on purpose."""

    t: float
    viewer: str
    user: str
    stream: str
    edge: str
    got: Place
    asked: Place | None = None
    recovered: bool = False
    slow: bool = False


@dataclass(frozen=True, slots=True)
class Receive:
    """One publication. ``how``: live | catchup. ``events``: their mask is not known to the viewer."""

    t: float
    viewer: str
    stream: str
    how: str
    from_seq: int
    to_seq: int
    events: tuple[Content, ...] = ()
    omitted: int = 0
    sampled: bool = False
    stale: bool = False
    hole: Hole | None = None


@dataclass(frozen=True, slots=True)
class Listen:
    """A position of an own channel is an offset in its partition of ``comments.notices``."""

    t: float
    viewer: str
    user: str
    got: Place
    asked: Place | None = None
    recovered: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """See the module."""

    t: float
    viewer: str
    user: str
    stream: str
    id: str
    code: int


@dataclass(frozen=True, slots=True)
class Present:
    """See the module."""

    t: float
    viewer: str
    stream: str


@dataclass(frozen=True, slots=True)
class Submitted:
    """One record of ``comments.submitted``. ``at``: log-append time, ms since 1970."""

    partition: int
    offset: int
    at: int
    items: tuple[Submission, ...]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """One admitted record of ``comments.moderated``."""

    partition: int
    offset: int
    items: tuple[Judged, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """One admitted record of ``comments.sequenced`` or ``comments.fanout`` (``topic``), not trimmed.

    ``at``: log-append time, ms since 1970. ``refused``: (id, user) of items that got no number.
    """

    topic: str
    partition: int
    offset: int
    at: int
    stream: str
    epoch: str
    from_seq: int
    to_seq: int
    events: tuple[Content, ...] = ()
    sampled: bool = False
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """One record of ``comments.notices``."""

    offset: int
    stream: str
    user: str
    id: str
    code: int


@dataclass(frozen=True, slots=True)
class Dead:
    """One record of ``comments.dlq``: where what it quarantines was."""

    stage: str
    topic: str
    partition: int
    offset: int
    reason: str


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a store. ``source``: api | sqlite | cassandra | flat. ``t``: when it was read."""

    t: float
    source: str
    stream: str
    epoch: str
    content: Content


@dataclass(frozen=True, slots=True)
class Archived:
    """A store was read from 1 up to ``to_seq``. ``overlaid``: deletes and clears were applied to it."""

    t: float
    source: str
    stream: str
    epoch: str
    to_seq: int
    overlaid: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """``stage``: begin | end | poison. A poison has ``topic``, ``partition`` and ``offset``."""

    t: float
    number: int
    stage: str
    kind: str
    target: str = ""
    topic: str = ""
    partition: int = -1
    offset: int = -1


@dataclass(frozen=True, slots=True)
class Stall:
    """The observer's clock ticks that did not come: from ``t`` for ``seconds``."""

    t: float
    seconds: float


@dataclass(frozen=True, slots=True)
class Quiet:
    """``missing``: what was still under way when waiting was given up; empty is as it should be."""

    t: float
    missing: tuple[str, ...] = ()


Fact = (
    Run | Publish | Command | Subscribe | Receive | Listen | Told | Present | Submitted | Verdicts | Segment
    | Notice | Dead | Row | Archived | Fault | Stall | Quiet
)  # fmt: skip
