"""What each viewer saw, held against the log. Pure; one step a fact, in the viewer's own order.

The second of the checker's two passes. It follows the rule that every client follows: a publication that
begins at the position is applied, one that overlaps it is trimmed, one that begins beyond it is a gap.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

import xxhash

from livecomments.verify import facts as f
from livecomments.verify.logs import rows_shown_late, shown_late
from livecomments.verify.report import Anomaly, Kind
from livecomments.verify.truth import FOREVER, Hiding, Key, Line, Truth

LANES = 64
EXCUSE_SECONDS = 30.0
"""A hole may be announced this long after a fault that explains it: the feed's own memory is as short."""


@dataclass(slots=True)
class Viewer:
    """One viewer of one stream."""

    user: str
    lane: int
    slow: bool
    epoch: str
    seq: int
    known: int = 0
    """Everything up to here was shown or announced to them once."""
    fresh: bool = True
    """Whether the last comments before the first position may still come."""
    doubt: bool = False
    """Whether the edge said that it cannot tell what was missed, and so may repeat."""


@dataclass(slots=True)
class Listener:
    """One viewer on its user's own channel. ``since``: what is before this offset it was not promised."""

    user: str
    since: int
    told: set[Key] = field(default_factory=set)


class Viewers:
    """All viewers of a history; ``truth`` must be complete."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._viewers: dict[tuple[str, str], Viewer] = {}
        self._listeners: dict[str, Listener] = {}
        self.counts: Counter[str] = Counter()

    def take(self, fact: f.Fact) -> Iterator[Anomaly]:
        """Yield what is wrong with one fact."""
        match fact:
            case f.Subscribe():
                yield from self._subscribe(fact)
            case f.Receive():
                yield from self._receive(fact)
            case f.Listen():
                self._listen(fact)
            case f.Told():
                yield from self._told(fact)
            case f.Present():
                yield from self._present(fact)
                yield from self._untold(fact)
            case f.Row() if fact.source == "api":
                yield from rows_shown_late(self._truth, fact)

    def _subscribe(self, fact: f.Subscribe) -> Iterator[Anomaly]:
        at = (fact.viewer, fact.stream)
        viewer = self._viewers.get(at)
        if viewer is None or fact.asked is None:
            self.counts["first subscribes"] += 1
            lane = xxhash.xxh3_64_intdigest(f"{fact.stream}\0{fact.user}".encode()) % LANES
            self._viewers[at] = Viewer(fact.user, lane, fact.slow, fact.got.epoch, fact.got.seq)
            return
        self.counts["resumes"] += 1
        self.counts["resumes recovered" if fact.recovered else "resumes not recovered"] += 1
        viewer.fresh, viewer.doubt = False, not fact.recovered
        if fact.got.epoch != viewer.epoch:
            if fact.got.epoch not in self._truth.epochs.get(fact.stream, ()):
                yield self._of(Kind.FALSE_EPOCH, fact, f"epoch {fact.got.epoch}, which no log has")
            viewer.epoch, viewer.seq, viewer.known = fact.got.epoch, 0, 0
        elif fact.asked.seq < viewer.seq:
            # An app that was cut off while it took something in asks for it again.
            viewer.seq = fact.asked.seq
        elif fact.asked.seq > viewer.seq:
            yield self._of(Kind.SILENT_GAP, fact, f"asked after {fact.asked.seq}, and was at {viewer.seq}")
            viewer.seq = fact.asked.seq

    def _receive(self, fact: f.Receive) -> Iterator[Anomaly]:
        viewer = self._viewers.get((fact.viewer, fact.stream))
        if viewer is None:
            yield self._of(Kind.PHANTOM, fact, "received something without a subscription")
            return
        self.counts["publications"] += 1
        self.counts[f"publications {fact.how}"] += 1
        self.counts["publications stale"] += fact.stale
        yield from self._form(fact)
        if viewer.fresh and fact.from_seq < viewer.seq == fact.to_seq:
            viewer.seq = viewer.known = fact.from_seq  # the last comments before the first position
        viewer.fresh = False
        if fact.hole is not None:
            yield from self._hole(viewer, fact, fact.hole)
        if fact.from_seq > viewer.seq and not _covers(fact.hole, viewer.seq, fact.from_seq):
            yield self._of(Kind.SILENT_GAP, fact, f"jumps from {viewer.seq} to {fact.from_seq}, unannounced")
        repeated = [row.seq for row in fact.events if row.seq <= viewer.seq]
        if repeated and not viewer.doubt and fact.hole is None:
            yield self._of(Kind.DUPLICATE, fact, f"got {repeated[0]} and {len(repeated) - 1} more again")
        yield from self._events(viewer, fact)
        viewer.seq = max(viewer.seq, fact.to_seq)
        viewer.known = max(viewer.known, viewer.seq)
        viewer.doubt = False

    def _form(self, fact: f.Receive) -> Iterator[Anomaly]:
        seqs = [row.seq for row in fact.events]
        if any(b <= a for a, b in pairwise(seqs)):
            yield self._of(Kind.REORDERED, fact, f"({fact.from_seq}, {fact.to_seq}] is not in order: {seqs}")
        if seqs and not (fact.from_seq < min(seqs) and max(seqs) <= fact.to_seq):
            detail = f"({fact.from_seq}, {fact.to_seq}] has {min(seqs)} to {max(seqs)}"
            yield self._of(Kind.REORDERED, fact, detail)
        if fact.omitted != fact.to_seq - fact.from_seq - len(seqs):
            detail = f"({fact.from_seq}, {fact.to_seq}] says that it omits {fact.omitted} of {len(seqs)}"
            yield self._of(Kind.SILENT_GAP, fact, detail)

    def _events(self, viewer: Viewer, fact: f.Receive) -> Iterator[Anomaly]:
        truth, at = self._truth, (fact.stream, viewer.epoch)
        line, original = truth.fanout.get(at), truth.sequenced.get(at)
        hiding = truth.hiding.get(at) or Hiding()
        if line is None or original is None:
            if fact.events:
                yield self._of(Kind.PHANTOM, fact, f"epoch {viewer.epoch}, of which no log has anything")
            return
        reach = max(viewer.known, fact.to_seq)
        for row in fact.events:
            truly = line.contents.get(row.seq)
            if truly is None:
                where = "is not in the log" if row.seq > original.end else "is not in comments.fanout"
                yield self._of(Kind.PHANTOM, fact, f"{row.seq} {where}")
                continue
            if truly.told != row.told:
                same = truly.type == row.type and truly.told[1] == row.told[1]
                kind = Kind.CHANGED if same else Kind.TWO_CONTENTS
                yield self._of(kind, fact, f"{row.seq} is not what the log has")
            if not _visible(truly, viewer):
                yield self._of(Kind.MISDELIVERED, fact, f"{row.seq} is not for lane {viewer.lane}")
            hidden = hiding.hidden_at(truly)
            if hidden is not None and hidden <= reach:
                detail = f"{row.seq} was shown with or after {hidden}, which deletes it"
                yield self._of(Kind.SHOWN_AFTER_DELETE, fact, detail)
            elif not viewer.slow and (late := shown_late(truth, *at, truly, fact.t)):
                # A slow viewer reads today what it was sent yesterday: there, only the order counts.
                yield self._of(Kind.SHOWN_AFTER_DELETE, fact, f"{row.seq}, {late}")
            if row.seq > viewer.seq:
                self.counts["deliveries"] += 1
        yield from self._left_out(viewer, fact, line, hiding)

    def _left_out(self, viewer: Viewer, fact: f.Receive, line: Line, hiding: Hiding) -> Iterator[Anomaly]:
        """Yield what belongs into the range for this viewer, and is not there."""
        begin = max(fact.from_seq, viewer.seq)
        if fact.to_seq - begin == len(fact.events) or fact.to_seq <= begin:
            return
        shown = {row.seq for row in fact.events}
        missing = []
        for seq in range(begin + 1, fact.to_seq + 1):
            truly = line.contents.get(seq)
            if seq in shown or _excuses(fact.hole, seq, truly):
                continue
            if truly is None:
                if seq not in line.left_out:
                    missing.append(seq)
            elif _visible(truly, viewer) and hiding.hidden_at(truly) is None:
                missing.append(seq)
            else:
                self.counts["not for this viewer"] += 1
        if missing:
            detail = f"({fact.from_seq}, {fact.to_seq}] leaves out {missing[:5]}, {len(missing)} in all"
            yield self._of(Kind.SILENT_GAP, fact, detail)

    def _hole(self, viewer: Viewer, fact: f.Receive, hole: f.Hole) -> Iterator[Anomaly]:
        """Count an announced hole; yield it when nothing explains it."""
        self.counts[f"holes {hole.reason}"] += 1
        first = max(hole.from_seq, viewer.seq) + 1
        if hole.to_seq < first:
            return  # nothing is missed by it
        excuse = self._excuse(viewer, fact, hole.reason, first)
        if excuse is None:
            detail = f"a hole ({hole.from_seq}, {hole.to_seq}], {hole.reason}: it was there to be had"
            yield self._of(Kind.FALSE_GAP, fact, detail)
        else:
            self.counts["missed, announced"] += hole.to_seq - first + 1

    def _excuse(self, viewer: Viewer, fact: f.Receive, reason: str, first: int) -> str | None:  # noqa: PLR0911 - one answer a reason
        """Say what explains a hole from ``first`` on; None: nothing does."""
        truth = self._truth
        at_ms = truth.fanout.get((fact.stream, viewer.epoch), Line(0)).at.get(first)
        age_ms = truth.wall_ms(fact.t) - at_ms if at_ms is not None else FOREVER
        match reason:
            case "late" if fact.sampled:
                return "comments for single lanes"
            case "slow" if viewer.slow:
                return "reads slowly"
            case "slow":
                return self._fault_since(fact.t - EXCUSE_SECONDS, fact.t, ("stall", "client", "pause"))
            case "epoch" if len(truth.epochs.get(fact.stream, ())) > 1:
                return "another epoch"
            case "window" | "unknown" if age_ms > truth.run.window_ms:
                return "older than what is kept"
            case "window" | "unknown":
                # A flushed store knows nothing of what was before, for as long as it would have kept it.
                since = fact.t - max(age_ms / 1000, EXCUSE_SECONDS)
                return self._fault_since(since, fact.t, ("redis", "persist"))
            case "ahead":
                return self._fault_since(fact.t - EXCUSE_SECONDS, fact.t, ("",))
            case _:
                return None

    def _fault_since(self, since: float, now: float, words: tuple[str, ...]) -> str | None:
        for begin, end, kind in self._truth.fault_spans:
            if begin <= now and end >= since and any(word in kind for word in words):
                return kind
        return None

    def _listen(self, fact: f.Listen) -> None:
        listener = self._listeners.get(fact.viewer)
        if listener is None:
            self._listeners[fact.viewer] = Listener(fact.user, fact.got.seq)
        elif not fact.recovered:
            # It was said that something may be missing.
            self.counts["notices not recovered"] += 1
            listener.since = max(listener.since, fact.got.seq)

    def _told(self, fact: f.Told) -> Iterator[Anomaly]:
        key = Key(fact.stream, fact.user, fact.id)
        self.counts["notices told"] += 1
        listener = self._listeners.get(fact.viewer)
        if listener is None or listener.user != fact.user:
            yield self._of(Kind.MISDELIVERED, fact, f"a notice about {fact.id}, on nobody's channel")
        else:
            listener.told.add(key)
        if key not in self._truth.notices and fact.stream in self._truth.epochs:
            yield self._of(Kind.PHANTOM, fact, f"a notice about {fact.id}, which no log has")

    def _untold(self, fact: f.Present) -> Iterator[Anomaly]:
        """Yield what a listener's user should have been told."""
        listener = self._listeners.get(fact.viewer)
        if listener is None:
            return
        for key, offset in self._truth.notices.items():
            due = key.user == listener.user and offset >= listener.since
            if due and key not in listener.told:
                yield self._of(Kind.LOST, fact, f"the notice about comment {key.id} never came")

    def _present(self, fact: f.Present) -> Iterator[Anomaly]:
        viewer = self._viewers.get((fact.viewer, fact.stream))
        line = self._truth.fanout.get((fact.stream, viewer.epoch)) if viewer else None
        end = line.end if line else 0
        self.counts["viewers present at the end"] += 1
        if viewer is None or viewer.seq < end:
            at = viewer.seq if viewer else "nowhere"
            yield self._of(Kind.SILENT_GAP, fact, f"is at {at} at the end, and the stream at {end}")
        elif viewer.seq > end:
            yield self._of(Kind.PHANTOM, fact, f"is at {viewer.seq}, and the stream ends at {end}")

    @staticmethod
    def _of(kind: Kind, fact: f.Subscribe | f.Receive | f.Present | f.Told, detail: str) -> Anomaly:
        return Anomaly(kind, f"{fact.stream}: {fact.viewer} at {fact.t:.3f}: {detail}")


def _visible(content: f.Content, viewer: Viewer) -> bool:
    return bool(content.mask >> viewer.lane & 1) or content.user == viewer.user


def _excuses(hole: f.Hole | None, seq: int, truly: f.Content | None) -> bool:
    """Whether a hole says that ``seq`` is left out; one of late comments says it of single lanes' alone."""
    if hole is None or not hole.from_seq < seq <= hole.to_seq:
        return False
    return hole.reason != "late" or truly is None or truly.mask != f.MASK_ALL


def _covers(hole: f.Hole | None, after: int, upto: int) -> bool:
    return hole is not None and hole.from_seq <= after and hole.to_seq >= upto
