"""Holding the archive against the log, by number, and writing again what the log still has.

``comments.sequenced`` is the truth. It is read as every reader must read it (`schemas.continuity`): fenced,
and trimmed where records overlap.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from agents.log import Log
from schemas.archive import PAGE_EVENTS_MAX, Archive
from schemas.archive.paging import differs, is_blank
from schemas.codec import UndecodableError, codec
from schemas.continuity import Fence, follow
from schemas.records import Event, Sequenced
from schemas.topics import SEQUENCED

EXAMPLES_MAX = 100
"""Different numbers that a report names; it counts all."""
Range = tuple[int, int]
"""(from, to]: what a range of numbers covers, as everywhere."""


class Logged(NamedTuple):
    """What records of the log add: events that no earlier one had, and the range they are of."""

    epoch: str
    covers: Range
    events: Sequence[Event]
    record: Sequenced


@dataclass(slots=True)
class Findings:
    """One epoch of a stream.

    ``log``: what the log still holds of it; None: nothing. ``archive_seq``: the archive's end. ``holes``:
    in the log and not in the archive, although later events are; ``behind``: the same at the end, which
    persist may be about to write. ``lost``: in neither, the log having begun later. ``log_gaps``: missing
    from the log itself. ``different``: numbers with another content, examples; ``differences``: how many.
    ``erased``: blanked on somebody's request.
    """

    epoch: str
    log: Range | None = None
    archive_seq: int = 0
    checked: int = 0
    holes: list[Range] = field(default_factory=list)
    behind: int = 0
    lost: list[Range] = field(default_factory=list)
    log_gaps: list[Range] = field(default_factory=list)
    different: list[int] = field(default_factory=list)
    differences: int = 0
    erased: int = 0

    @property
    def ok(self) -> bool:
        """Whether the archive is what the log is, as far as it has come."""
        return not (self.holes or self.lost or self.differences or self.log_gaps)


async def logged(log: Log, stream_id: str, partition: int) -> AsyncIterator[Logged]:
    """Yield a stream's part of the log, from its beginning to its end as of now.

    Raises:
        StageError: the log cannot be read.

    """
    start = await log.start_offset(SEQUENCED.name, partition)
    end = await log.end_offset(SEQUENCED.name, partition)
    decode, fence = codec(SEQUENCED.record).decode, Fence()
    seqs: dict[str, int] = {}
    async for row in log.read(SEQUENCED.name, partition, start, end):
        try:
            record: Sequenced = decode(row.value)
        except UndecodableError:
            continue  # not ours: every reader passes over it
        if not fence.admits(row.offset, record) or record["stream_id"] != stream_id:
            continue
        epoch = record["epoch"]
        step = follow(epoch if epoch in seqs else None, seqs.get(epoch, 0), record)
        if step is not None:
            seqs[epoch] = step.to_seq
            yield Logged(epoch, (step.from_seq, step.to_seq), step.events, record)


async def _together(parts: AsyncIterator[Logged]) -> AsyncIterator[Logged]:
    """Join what follows on each other: the archive is asked for a page at a time, not a record."""
    held: Logged | None = None
    async for part in parts:
        if held is not None:
            follows = held.epoch == part.epoch and held.covers[1] == part.covers[0]
            if follows and len(held.events) + len(part.events) <= PAGE_EVENTS_MAX:
                covers = (held.covers[0], part.covers[1])
                held = Logged(part.epoch, covers, [*held.events, *part.events], part.record)
                continue
            yield held
        held = part
    if held is not None:
        yield held


async def check(
    archive: Archive, log: Log, stream_id: str, partition: int, *, epoch: str | None = None, since_ms: int = 0
) -> Sequence[Findings]:
    """Compare every epoch that the log or the archive has, or the one named, oldest first in the archive.

    Args:
        archive: open.
        log: where ``comments.sequenced`` is.
        stream_id: which stream.
        partition: its own.
        epoch: the one to look at; None: all.
        since_ms: what is older has expired, and is not looked for.

    Raises:
        ArchiveUnavailable: the archive does not answer.
        StageError: the log cannot be read.

    """
    found: dict[str, Findings] = {}
    async for part in _together(logged(log, stream_id, partition)):
        if epoch in {None, part.epoch}:
            findings = found.setdefault(part.epoch, Findings(part.epoch))
            _extend(findings, part.covers)
            await _compare(archive, stream_id, findings, part, since_ms)
    stored = await archive.epochs(stream_id)
    for each in stored:
        if epoch in {None, each.epoch}:
            findings = found.setdefault(each.epoch, Findings(each.epoch))
            findings.archive_seq = each.seq
    for findings in found.values():
        await _settle(archive, stream_id, findings, expires=since_ms > 0)
    order = [each.epoch for each in stored]
    return sorted(
        found.values(), key=lambda each: order.index(each.epoch) if each.epoch in order else len(order)
    )


async def repair(
    archive: Archive, log: Log, stream_id: str, partition: int, *, epoch: str | None = None
) -> int:
    """Write what the log has and the archive has not; return how many events."""
    written = 0
    async for part in _together(logged(log, stream_id, partition)):
        if epoch not in {None, part.epoch}:
            continue
        first, last = part.covers[0] + 1, part.covers[1]
        there = {event["seq"] for event in await archive.raw(stream_id, part.epoch, first, last)}
        missing = [event for event in part.events if event["seq"] not in there]
        if missing:
            await archive.write([_only(part.record, missing)])
            written += len(missing)
    return written


async def _compare(archive: Archive, stream_id: str, findings: Findings, part: Logged, since_ms: int) -> None:
    rows = await archive.raw(stream_id, part.epoch, part.covers[0] + 1, part.covers[1])
    stored = {row["seq"]: row for row in rows}
    for event in part.events:
        if event["at"] < since_ms:
            continue
        findings.checked += 1
        seq, row = event["seq"], stored.get(event["seq"])
        if row is None:
            _note(findings.holes, (seq - 1, seq))
        elif differs(row, event):
            findings.differences += 1
            if len(findings.different) < EXAMPLES_MAX:
                findings.different.append(seq)
        elif row["type"] == "comment" and is_blank(row) and not is_blank(event):
            findings.erased += 1


def _extend(findings: Findings, covers: Range) -> None:
    if findings.log is None:
        findings.log = covers
        return
    if covers[0] > findings.log[1]:
        findings.log_gaps.append((findings.log[1], covers[0]))
    findings.log = (findings.log[0], covers[1])


async def _settle(archive: Archive, stream_id: str, findings: Findings, *, expires: bool) -> None:
    """Look again at what was missing: persist may have written it meanwhile, or be about to."""
    first, last = findings.log or (findings.archive_seq, 0)
    if findings.holes:
        still = await archive.missing(stream_id, findings.epoch, last)
        findings.holes = common(findings.holes, still)
    end = findings.archive_seq
    findings.behind = sum(to - max(start, end) for start, to in findings.holes if to > end)
    findings.holes = [(start, min(to, end)) for start, to in findings.holes if start < end]
    if first and not expires:
        findings.lost = list(await archive.missing(stream_id, findings.epoch, first))


def common(some: Sequence[Range], others: Sequence[Range]) -> list[Range]:
    """Return what two ascending lists of ranges have in common."""
    result, at = [], 0
    for start, end in some:
        while at < len(others) and others[at][1] <= start:
            at += 1
        for other in others[at:]:
            if other[0] >= end:
                break
            result.append((max(start, other[0]), min(end, other[1])))
    return result


def _note(ranges: list[Range], new: Range) -> None:
    if ranges and ranges[-1][1] == new[0]:
        ranges[-1] = (ranges[-1][0], new[1])
    else:
        ranges.append(new)


def _only(record: Sequenced, events: Sequence[Event]) -> Sequenced:
    part: Any = {**record, "events": list(events)}
    part["from_seq"], part["to_seq"] = events[0]["seq"] - 1, events[-1]["seq"]
    whole: Sequenced = part
    return whole
