"""What must hold between who published, what the log says, and what the stores keep. Pure, linear."""

from collections.abc import Iterator

from livecomments.verify import facts as f
from livecomments.verify.report import Anomaly, Kind
from livecomments.verify.truth import Key, Line, Shelf, Truth

LATE_SECONDS_MAX = 10
"""A comment may land so much later than it was sent; a repeat within the window less this is a repeat."""
REPEATING = frozenset({"flat"})
"""Stores that promise each row at least once."""
VERDICTS_SHOWN = frozenset({"allow", "shadow"})
NUMBERED_BY_WORKLOAD = frozenset({"delete", "clear", "ban", "unban"})
QUARANTINED = frozenset(
    {"comments.submitted", "comments.ingested", "comments.moderated", "comments.sequenced"}
)
"""Topics that a stage reads: what it cannot read goes to the dead letters."""


def judge_logs(truth: Truth) -> Iterator[Anomaly]:
    """Yield every anomaly that needs no viewer to be seen."""
    yield from truth.found
    for key, attempts in truth.publishes.items():
        if attempts.ok_at is not None and key not in truth.landed:
            yield _of(Kind.LOST, key, "acknowledged, and not in comments.submitted")
    for key in truth.landed:
        yield from _outcome(truth, key)
    for key, places in truth.numbers.items():
        yield from _numbered(truth, key, places)
    for (stream, epoch), line in truth.sequenced.items():
        yield from _line(truth, stream, line)
        yield from _fanout(truth, stream, epoch, line)
    yield from _epochs(truth)
    for shelf in truth.shelves:
        yield from _shelf(truth, shelf)
    for fault in truth.poison:
        at = (fault.topic, fault.partition, fault.offset)
        if fault.topic in QUARANTINED and at not in truth.dead:
            yield Anomaly(Kind.NOT_QUARANTINED, f"{fault.topic}-{fault.partition} at {fault.offset}")


def _outcome(truth: Truth, key: Key) -> Iterator[Anomaly]:
    """Yield what is wrong with what became of a comment that is in ``comments.submitted``."""
    numbered, refused = key in truth.numbers, key in truth.refused
    if not numbered and not refused:
        yield _of(Kind.LOST, key, "in comments.submitted, and neither numbered nor refused")
    if refused and key not in truth.notices:
        yield _of(Kind.LOST, key, "refused, and its author was not told")
    if numbered and (refused or key in truth.notices) and _times_allowed(truth, key) == 1:
        yield _of(Kind.TWO_OUTCOMES, key, "has a number, and its author was told that it is refused")


def _numbered(truth: Truth, key: Key, places: list[tuple[str, int]]) -> Iterator[Anomaly]:
    """Yield what is wrong with a comment that has a number."""
    attempts = truth.publishes.get(key)
    allowed = _times_allowed(truth, key)
    for epoch in {epoch for epoch, _ in places}:
        seqs = [seq for at, seq in places if at == epoch]
        if len(seqs) > allowed:
            yield _of(Kind.DUPLICATE, key, f"has the numbers {seqs}")
    if attempts is None or not attempts.may_exist:
        what = "was never published" if attempts is None else "every publish of it failed"
        yield _of(Kind.PHANTOM, key, f"has number {places[0][1]}, and {what}")
        return
    if attempts.forbidden:
        yield _of(Kind.UNMODERATED, key, f"has number {places[0][1]}, and must not be shown")
    verdict = truth.verdicts.get(key)
    if verdict is None or verdict[1] not in VERDICTS_SHOWN:
        said = "no verdict" if verdict is None else f"the verdict {verdict[1]}"
        yield _of(Kind.UNMODERATED, key, f"has number {places[0][1]}, and {said}")
    for epoch, seq in places:
        content = truth.sequenced[key.stream, epoch].contents[seq]
        if content.text not in attempts.texts:
            yield _of(Kind.CHANGED, key, f"number {seq} in comments.sequenced is not the text published")


def _times_allowed(truth: Truth, key: Key) -> int:
    """Return how often a comment may count: once a duplicate window.

    What matters is when its author sent it, not when it landed: how late that may be is the gateway's care.
    """
    attempts = truth.publishes.get(key)
    allowed, since = 0, float("-inf")
    for time in sorted(attempts.invokes if attempts is not None else ()):
        if time - since > truth.run.duplicates_ms / 1000 - LATE_SECONDS_MAX:
            allowed, since = allowed + 1, time
    return max(1, allowed)


def _line(truth: Truth, stream: str, line: Line) -> Iterator[Anomaly]:
    """Yield what is wrong with one stream's order: bans that did not bind, commands of nobody, late first."""
    banned: dict[str, int] = {}
    seen: set[Key] = set()
    latest = (float("-inf"), 0)
    for seq in sorted(line.contents):
        content = line.contents[seq]
        match content.type:
            case "comment":
                key = Key(stream, content.user, content.id)
                attempts = truth.publishes.get(key)
                if attempts is not None and key not in seen:
                    seen.add(key)
                    if attempts.ok_at is not None and attempts.ok_at < latest[0]:
                        detail = f"number {seq} was durable before number {latest[1]} was sent"
                        yield _of(Kind.REORDERED, key, detail)
                    latest = max(latest, (attempts.invoked_at, seq))
                if content.user in banned:
                    detail = f"number {seq} comes after the ban at {banned[content.user]}"
                    yield _of(Kind.UNMODERATED, key, detail)
            case "ban" if content.seconds < 0:
                banned.setdefault(content.target, seq)
            case "ban" | "unban" | "timeout" | "shadow":
                banned.pop(content.target, None)
        if content.type in NUMBERED_BY_WORKLOAD:
            known = (stream, content.type, content.target)
            if known not in truth.commands:
                yield Anomaly(Kind.PHANTOM, f"{stream}: number {seq} is a {content.type} of nobody")


def _fanout(truth: Truth, stream: str, epoch: str, line: Line) -> Iterator[Anomaly]:
    """Yield where ``comments.fanout`` is not what ``comments.sequenced`` is, sampling aside."""
    fan = truth.fanout.get((stream, epoch))
    if fan is None:
        if line.contents:
            yield Anomaly(Kind.LOST, f"{stream} {epoch}: nothing of it is in comments.fanout")
        return
    if fan.end != line.end:
        detail = f"{stream} {epoch}: comments.fanout ends at {fan.end}, comments.sequenced at {line.end}"
        yield Anomaly(Kind.LOST if fan.end < line.end else Kind.PHANTOM, detail)
    for seq, content in fan.contents.items():
        original = line.contents.get(seq)
        if original is None or original.told != content.told or original.id != content.id:
            yield Anomaly(Kind.TWO_CONTENTS, f"{stream} {epoch}: {seq} differs in comments.fanout")
        elif not original.mask and content.mask:
            yield Anomaly(Kind.UNMODERATED, f"{stream} {epoch}: {seq} was for its author alone")


def _epochs(truth: Truth) -> Iterator[Anomaly]:
    raised = truth.fault_kinds["raise-epoch"]
    for stream, epochs in truth.epochs.items():
        if len(epochs) > 1 + raised:
            detail = f"{stream}: {len(epochs)} epochs, and history was declared lost {raised} times"
            yield Anomaly(Kind.FALSE_EPOCH, detail)


def _shelf(truth: Truth, shelf: Shelf) -> Iterator[Anomaly]:
    """Yield where a store is not what the log is."""
    read = shelf.read
    where = f"{read.source}, {read.stream} {read.epoch}"
    line = truth.sequenced.get((read.stream, read.epoch))
    if line is None:
        if shelf.rows:
            yield Anomaly(Kind.ARCHIVE, f"{where}: {len(shelf.rows)} rows of an epoch that no log has")
        return
    hiding = truth.hiding[read.stream, read.epoch]
    for seq in shelf.twice if read.source not in REPEATING else ():
        yield Anomaly(Kind.ARCHIVE, f"{where}: {seq} is there twice")
    for seq, content in shelf.rows.items():
        original = line.contents.get(seq)
        if original is None or original.told != content.told:
            yield Anomaly(Kind.ARCHIVE, f"{where}: {seq} is not what the log has")
        elif read.overlaid and not original.mask:
            yield Anomaly(Kind.UNMODERATED, f"{where}: {seq} is for its author alone")
    for seq, original in line.contents.items():
        if seq > read.to_seq or seq in shelf.rows:
            continue
        if read.overlaid and (
            original.type != "comment" or not original.mask or hiding.hidden_at(original) is not None
        ):
            continue
        yield Anomaly(Kind.ARCHIVE, f"{where}: {seq} is missing")


def _of(kind: Kind, key: Key, detail: str) -> Anomaly:
    return Anomaly(kind, f"{key.stream}: comment {key.id}: {detail}")


def rows_shown_late(truth: Truth, row: f.Row) -> Iterator[Anomaly]:
    """Yield a row that was still shown although its delete was acknowledged long enough ago."""
    line = truth.sequenced.get((row.stream, row.epoch))
    original = line.contents.get(row.content.seq) if line else None
    if original is None:
        return
    late = shown_late(truth, row.stream, row.epoch, original, row.t)
    if late is not None:
        yield Anomaly(Kind.SHOWN_AFTER_DELETE, f"{row.source}, {row.stream}: {original.seq}, {late}")


def shown_late(truth: Truth, stream: str, epoch: str, content: f.Content, now: float) -> str | None:
    """Say how late a comment was shown after its delete or clear was acknowledged; None: it was not.

    Time counts only while all is well: what was acknowledged during a fault has until the bound after it. So
    has, after it left the pipeline, what the pipeline itself was slow with although no fault was meant (the
    log's own times say so): `slow_retractions` reports those.
    """
    hiding = truth.hiding.get((stream, epoch))
    bound = truth.run.bound_ms / 1000
    for type_, seq in hiding.hidden_by(content) if hiding is not None else ():
        acknowledged = truth.acknowledged(stream, type_, content.id if type_ == "delete" else content.user)
        since = truth.healthy_since(acknowledged, now) if acknowledged is not None else None
        passed = truth.passed(stream, epoch, seq)
        if since is None or passed is None:
            continue
        if passed[1] > truth.run.bound_ms / 2:
            since = max(since, passed[0])
        if now - since > bound:
            return f"{(now - since) * 1000:.0f} ms after its {type_}, all being well"
    return None


def slow_retractions(truth: Truth) -> tuple[int, int]:
    """Return how many deletes and clears there were, and how many took more than half the bound to pass."""
    count = slow = 0
    for (stream, epoch), hiding in truth.hiding.items():
        seqs = [*hiding.deletes.values(), *(seq for each in hiding.clears.values() for seq in each)]
        for seq in seqs:
            passed = truth.passed(stream, epoch, seq)
            count += 1
            slow += passed is not None and passed[1] > truth.run.bound_ms / 2
    return count, slow
