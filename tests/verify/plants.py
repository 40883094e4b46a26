"""Faults to plant: each function takes a correct history and spoils one thing, which its docstring names."""
# ruff: noqa: D401 - the docstrings name faults, not what a caller wants done

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from livecomments.verify import facts as f
from livecomments.verify.facts import Fact
from livecomments.verify.report import Kind

Plant = Callable[[list[Fact]], list[Fact]]


def pick(facts: list[Fact], wanted: Callable[[Any], bool]) -> int:
    """Return the place of one fact in the middle of those wanted."""
    places = [at for at, fact in enumerate(facts) if wanted(fact)]
    assert places, "the history has none to spoil"
    return places[len(places) // 2]


def shown(fact: Any) -> bool:
    return isinstance(fact, f.Receive) and len(fact.events) > 1 and fact.hole is None and fact.how == "live"


def is_segment(topic: str) -> Callable[[Any], bool]:
    return lambda fact: isinstance(fact, f.Segment) and fact.topic == topic and len(fact.events) > 1


def without(facts: list[Fact], wanted: Callable[[Any], bool]) -> list[Fact]:
    return [fact for fact in facts if not wanted(fact)]


def numbered(facts: list[Fact]) -> list[tuple[str, f.Content]]:
    """Comments of the log that nobody deletes, in order."""
    rows = [
        (x.stream, row)
        for x in facts
        if isinstance(x, f.Segment) and x.topic == "sequenced"
        for row in x.events
    ]
    gone = {row.target for _, row in rows if row.type in {"delete", "clear"}}
    return [(s, row) for s, row in rows if row.type == "comment" and not {row.id, row.user} & gone]


def lost_acknowledged(facts: list[Fact]) -> list[Fact]:
    """An acknowledged comment that is nowhere."""
    op = f.Publish(500.0, 9_999, "invoke", "s", "id-lost", "u0", "00")
    return [*facts, op, replace(op, stage="ok")]


def lost_on_the_way(facts: list[Fact]) -> list[Fact]:
    """A comment that entered the log and got no outcome."""
    item = f.Submission(0, "comment", "s", "id-lost", "u0", "00")
    op = f.Publish(500.0, 9_999, "invoke", "s", "id-lost", "u0", "00")
    return [*facts, op, f.Submitted(0, 10**6, 0, (item,))]


def lost_notice(facts: list[Fact]) -> list[Fact]:
    """A refused comment whose author was not told."""
    return without(facts, lambda fact: isinstance(fact, f.Notice))


def lost_word(facts: list[Fact]) -> list[Fact]:
    """A notice that is in the log and never reached its author's app."""
    at = pick(facts, lambda fact: isinstance(fact, f.Told))
    gone: Any = facts[at]
    return without(facts, lambda fact: isinstance(fact, f.Told) and fact.id == gone.id)


def phantom_word(facts: list[Fact]) -> list[Fact]:
    """A notice that no log has."""
    at = pick(facts, lambda fact: isinstance(fact, f.Told))
    fact: Any = facts[at]
    return [*facts[: at + 1], replace(fact, id="id-made-up"), *facts[at + 1 :]]


def misdelivered_word(facts: list[Fact]) -> list[Fact]:
    """A notice to somebody else."""
    at = pick(facts, lambda fact: isinstance(fact, f.Told))
    fact: Any = facts[at]
    return [*facts[: at + 1], replace(fact, user="u99"), *facts[at + 1 :]]


def lost_fanout(facts: list[Fact]) -> list[Fact]:
    """The last segment never reached the fan-out."""
    last = max(at for at, fact in enumerate(facts) if isinstance(fact, f.Segment) and fact.topic == "fanout")
    return facts[:last] + facts[last + 1 :]


def duplicate_number(facts: list[Fact]) -> list[Fact]:
    """A comment that has two numbers."""
    stream, row = numbered(facts)[5]
    return [*facts, *again(facts, stream, row)]


def again(facts: list[Fact], stream: str, row: f.Content) -> list[Fact]:
    """Segments, in both topics, that put ``row`` at the end of its stream."""
    ends = [x for x in facts if isinstance(x, f.Segment) and x.stream == stream]
    end = max(x.to_seq for x in ends)
    made: list[Fact] = []
    for topic in ("sequenced", "fanout"):
        place = (stream, ends[-1].epoch, end, end + 1)
        made.append(f.Segment(topic, 0, 10**6, ends[-1].at, *place, (row._replace(seq=end + 1),)))
    return made


def duplicate_to_viewer(facts: list[Fact]) -> list[Fact]:
    """A publication delivered twice."""
    at = pick(facts, shown)
    return [*facts[: at + 1], facts[at], *facts[at + 1 :]]


def reordered_publication(facts: list[Fact]) -> list[Fact]:
    """Events of a publication in the wrong order."""
    at = pick(facts, shown)
    fact: Any = facts[at]
    return [*facts[:at], replace(fact, events=fact.events[::-1]), *facts[at + 1 :]]


def reordered_outside(facts: list[Fact]) -> list[Fact]:
    """A publication whose events are not in its range."""
    at = pick(facts, shown)
    fact: Any = facts[at]
    return [*facts[:at], replace(fact, to_seq=fact.to_seq - 1, omitted=fact.omitted - 1), *facts[at + 1 :]]


def reordered_time(facts: list[Fact]) -> list[Fact]:
    """A comment that was durable before another was sent, and comes after it."""
    rows = [row for stream, row in numbered(facts) if stream == "s"]
    first, last = rows[1], rows[-1]

    def late(fact: Fact) -> Fact:
        if isinstance(fact, f.Publish) and fact.stream == "s" and fact.id == first.id:
            return replace(fact, t=fact.t + 10_000)
        return fact

    op = f.Publish(99_999.0, 9_999, "ok", "s", last.id, last.user)
    return [*map(late, facts), replace(op, t=1_000.0)]


def silent_gap_live(facts: list[Fact]) -> list[Fact]:
    """A live publication that did not come."""

    def followed(fact: Any) -> bool:
        return shown(fact) and any(
            isinstance(x, f.Receive) and x.viewer == fact.viewer and x.from_seq == fact.to_seq for x in facts
        )

    at = pick(facts, followed)
    return facts[:at] + facts[at + 1 :]


def silent_gap_inside(facts: list[Fact]) -> list[Fact]:
    """An event left out of a publication, counted as omitted."""
    ids = {row.id for _, row in numbered(facts)}
    at = pick(facts, lambda fact: shown(fact) and fact.events[-1].id in ids)
    fact: Any = facts[at]
    less = replace(fact, events=fact.events[:-1], omitted=fact.omitted + 1)
    return [*facts[:at], less, *facts[at + 1 :]]


def silent_gap_uncounted(facts: list[Fact]) -> list[Fact]:
    """A publication whose arithmetic is wrong."""
    at = pick(facts, shown)
    fact: Any = facts[at]
    return [*facts[:at], replace(fact, omitted=fact.omitted + 1), *facts[at + 1 :]]


def silent_gap_catch_up(facts: list[Fact]) -> list[Fact]:
    """A resume answered with less than was missed."""
    at = pick(facts, lambda fact: isinstance(fact, f.Receive) and fact.how == "catchup")
    return facts[:at] + facts[at + 1 :]


def silent_gap_at_the_end(facts: list[Fact]) -> list[Fact]:
    """A viewer that is connected and not up to date."""
    last: Any = max((x for x in facts if isinstance(x, f.Receive)), key=lambda x: (x.t, x.to_seq))
    return without(facts, lambda fact: fact is last)


def false_gap_healthy(facts: list[Fact]) -> list[Fact]:
    """A hole announced although all was well and the window had it."""
    return _with_hole(facts, "window")


def false_gap_lost(facts: list[Fact]) -> list[Fact]:
    """Something called lost that the log has."""
    return _with_hole(facts, "lost")


def false_gap_slow(facts: list[Fact]) -> list[Fact]:
    """A skip for a viewer that is not slow."""
    return _with_hole(facts, "slow")


def late_lanes(facts: list[Fact], *, shed: bool = False, sampled: bool = True) -> list[Fact]:
    """In a sampled history, a publication without its lanes' comments, because they were late.

    ``shed``: nor those for all.
    """
    masks = {(x.stream, row.seq): row.mask for x in facts if isinstance(x, f.Segment) for row in x.events}
    at = pick(facts, lambda x: shown(x) and len({masks[x.stream, row.seq] == -1 for row in x.events}) == 2)
    fact: Any = facts[at]
    kept = () if shed else tuple(row for row in fact.events if masks[fact.stream, row.seq] == -1)
    omitted = fact.to_seq - fact.from_seq - len(kept)
    hole = f.Hole(fact.from_seq, fact.to_seq, "late")
    less = replace(fact, events=kept, omitted=omitted, hole=hole, sampled=sampled)
    return [*facts[:at], less, *facts[at + 1 :]]


def _with_hole(facts: list[Fact], reason: str) -> list[Fact]:
    calm = without(facts, lambda fact: isinstance(fact, f.Fault | f.Stall))
    quick = {x.viewer for x in calm if isinstance(x, f.Subscribe) and not x.slow}
    at = pick(calm, lambda fact: shown(fact) and fact.viewer in quick)
    fact: Any = calm[at]
    count = fact.to_seq - fact.from_seq
    hole = f.Hole(fact.from_seq, fact.to_seq, reason)
    return [*calm[:at], replace(fact, events=(), omitted=count, hole=hole), *calm[at + 1 :]]


def phantom_shown(facts: list[Fact]) -> list[Fact]:
    """An event that no log has."""
    at = pick(facts, shown)
    fact: Any = facts[at]
    made = f.Content(10**6, "comment", "id-made-up", "u0", "00")
    more = replace(
        fact, to_seq=10**6, events=(*fact.events, made), omitted=10**6 - fact.from_seq - len(fact.events) - 1
    )
    return [*facts[:at], more, *facts[at + 1 :]]


def phantom_never_published(facts: list[Fact]) -> list[Fact]:
    """A numbered comment that nobody published."""
    _, row = numbered(facts)[3]
    return without(facts, lambda fact: isinstance(fact, f.Publish) and fact.id == row.id)


def phantom_failed(facts: list[Fact]) -> list[Fact]:
    """A numbered comment whose every publish was refused."""
    _, row = numbered(facts)[3]

    def failed(fact: Fact) -> Fact:
        is_answer = isinstance(fact, f.Publish) and fact.id == row.id and fact.stage != "invoke"
        return replace(fact, stage="fail") if is_answer else fact  # type: ignore[type-var]

    spoiled = [failed(fact) for fact in facts]
    named = [x for x in spoiled if isinstance(x, f.Publish) and x.id == row.id]
    missing = sum(x.stage == "invoke" for x in named) - sum(x.stage == "fail" for x in named)
    return [*spoiled, *[replace(named[0], stage="fail")] * missing]


def phantom_command(facts: list[Fact]) -> list[Fact]:
    """A delete of nobody."""
    return without(facts, lambda fact: isinstance(fact, f.Command) and fact.type == "delete")


def changed_for_viewer(facts: list[Fact]) -> list[Fact]:
    """A viewer was shown another text."""
    at = pick(facts, lambda fact: shown(fact) and fact.events[0].type == "comment")
    fact: Any = facts[at]
    spoiled = (fact.events[0]._replace(text="00"), *fact.events[1:])
    return [*facts[:at], replace(fact, events=spoiled), *facts[at + 1 :]]


def changed_in_log(facts: list[Fact]) -> list[Fact]:
    """The log has another text than was published, everywhere alike."""
    _, row = numbered(facts)[3]
    other = replace_text(row.id)
    return [other(fact) for fact in facts]


def replace_text(id_: str) -> Callable[[Fact], Fact]:
    def change(content: f.Content) -> f.Content:
        return content._replace(text="00") if content.id == id_ else content

    def other(fact: Fact) -> Fact:
        match fact:
            case f.Segment() | f.Receive():
                return replace(fact, events=tuple(map(change, fact.events)))
            case f.Row():
                return replace(fact, content=change(fact.content))
            case _:
                return fact

    return other


def unmoderated_no_verdict(facts: list[Fact]) -> list[Fact]:
    """A comment that no stage judged."""
    _, row = numbered(facts)[3]
    return [
        replace(fact, items=tuple(item for item in fact.items if item.id != row.id))
        if isinstance(fact, f.Verdicts)
        else fact
        for fact in facts
    ]


def unmoderated_rejected(facts: list[Fact]) -> list[Fact]:
    """A comment that was shown although it was rejected."""
    _, row = numbered(facts)[3]
    return [
        replace(fact, items=tuple(i._replace(verdict="reject") if i.id == row.id else i for i in fact.items))
        if isinstance(fact, f.Verdicts)
        else fact
        for fact in facts
    ]


def unmoderated_forbidden(facts: list[Fact]) -> list[Fact]:
    """A text that the workload knows to be forbidden has a number."""
    _, row = numbered(facts)[3]
    return [
        replace(fact, forbidden=True) if isinstance(fact, f.Publish) and fact.id == row.id else fact
        for fact in facts
    ]


def unmoderated_banned(facts: list[Fact]) -> list[Fact]:
    """A comment of somebody banned, behind the ban."""
    ban = next(x for x in facts if isinstance(x, f.Command) and x.type == "ban")
    stays = [x for x in facts if not (isinstance(x, f.Segment) and any(r.type == "unban" for r in x.events))]
    row = f.Content(0, "comment", "id-banned", ban.target, "00")
    op = f.Publish(99_999.0, 9_999, "invoke", ban.stream, "id-banned", ban.target, "00")
    return [*stays, op, *again(stays, ban.stream, row)]


def shown_after_delete_in_order(facts: list[Fact]) -> list[Fact]:
    """A publication that has a delete and what it deletes."""
    where, target = _deleted(facts)
    late = _resend(facts, where, target)
    return [*facts, late]


def shown_after_delete_in_time(facts: list[Fact]) -> list[Fact]:
    """A newcomer's first comments have something deleted long ago; they do not reach the delete itself."""
    where, target = _deleted(facts)
    place = f.Place(where.epoch, target.seq)
    newcomer = f.Subscribe(99_999.0, "late", "u5", where.stream, "edge", place)
    first = f.Receive(99_999.0, "late", where.stream, "live", target.seq - 1, target.seq, (target,))
    return [*facts, newcomer, first]


def shown_after_delete_archive(facts: list[Fact]) -> list[Fact]:
    """The archive's pages have something deleted long ago."""
    where, target = _deleted(facts)
    return [*facts, f.Row(99_999.0, "api", where.stream, where.epoch, target)]


def _deleted(facts: list[Fact]) -> tuple[f.Segment, f.Content]:
    segments = [x for x in facts if isinstance(x, f.Segment) and x.topic == "fanout"]
    rows = {(x.stream, row.id): (x, row) for x in segments for row in x.events if row.type == "comment"}
    for segment in segments:
        for row in segment.events:
            if row.type == "delete" and (segment.stream, row.target) in rows:
                return rows[segment.stream, row.target]
    raise AssertionError("nothing was deleted")


def _resend(facts: list[Fact], where: f.Segment, target: f.Content) -> f.Receive:
    viewer = next(x for x in facts if isinstance(x, f.Present) and x.stream == where.stream)
    end = max(x.to_seq for x in facts if isinstance(x, f.Segment) and x.stream == where.stream)
    omitted = end - target.seq
    hole = f.Hole(0, 0, "unknown")
    return f.Receive(
        99_999.0, viewer.viewer, where.stream, "live", target.seq - 1, end, (target,), omitted, hole=hole
    )


def two_contents_in_log(facts: list[Fact]) -> list[Fact]:
    """A number written again with another comment."""
    at = pick(facts, is_segment("sequenced"))
    fact: Any = facts[at]
    other = replace(fact, events=tuple(row._replace(id=f"x{row.seq}") for row in fact.events))
    return [*facts[: at + 1], other, *facts[at + 1 :]]


def two_contents_for_viewer(facts: list[Fact]) -> list[Fact]:
    """A viewer was shown another comment at a number."""
    at = pick(facts, lambda fact: shown(fact) and fact.events[0].type == "comment")
    fact: Any = facts[at]
    spoiled = (fact.events[0]._replace(id="id-other"), *fact.events[1:])
    return [*facts[:at], replace(fact, events=spoiled), *facts[at + 1 :]]


def archive_missing(facts: list[Fact]) -> list[Fact]:
    """A row that is not in the archive."""
    at = pick(facts, lambda fact: isinstance(fact, f.Row) and fact.source == "sqlite")
    return facts[:at] + facts[at + 1 :]


def archive_twice(facts: list[Fact]) -> list[Fact]:
    """A row that is there twice."""
    at = pick(facts, lambda fact: isinstance(fact, f.Row) and fact.source == "sqlite")
    return [*facts[: at + 1], facts[at], *facts[at + 1 :]]


def archive_other(facts: list[Fact]) -> list[Fact]:
    """A row that says something else."""
    at = pick(facts, lambda fact: isinstance(fact, f.Row) and fact.source == "flat")
    fact: Any = facts[at]
    return [*facts[:at], replace(fact, content=fact.content._replace(user="u99")), *facts[at + 1 :]]


def archive_too_much(facts: list[Fact]) -> list[Fact]:
    """A row that no log has."""
    at = pick(facts, lambda fact: isinstance(fact, f.Row) and fact.source == "sqlite")
    fact: Any = facts[at]
    more = replace(fact, content=fact.content._replace(seq=10**6))
    return [*facts[: at + 1], more, *facts[at + 1 :]]


def two_outcomes(facts: list[Fact]) -> list[Fact]:
    """A shown comment whose author was told that it is refused."""
    stream, row = numbered(facts)[3]
    return [*facts, f.Notice(10**6, stream, row.user, row.id, 1001)]


def false_epoch(facts: list[Fact]) -> list[Fact]:
    """A second epoch, and nobody declared history lost."""
    row = f.Content(1, "comment", "id-0", "u0", "00")
    return [*facts, f.Segment("sequenced", 0, 10**6, 0, "s", "k3f9-1", 0, 1, (row,))]


def false_epoch_told(facts: list[Fact]) -> list[Fact]:
    """A viewer was given an epoch that no log has."""
    at = pick(facts, lambda fact: isinstance(fact, f.Subscribe) and fact.asked is not None)
    fact: Any = facts[at]
    other = replace(fact, got=f.Place("gone-7", fact.got.seq), recovered=False)
    return [*facts[:at], other, *facts[at + 1 :]]


def misdelivered(facts: list[Fact]) -> list[Fact]:
    """A comment for its author alone, shown to all."""

    def shadow(row: f.Content) -> f.Content:
        return row._replace(mask=0) if row.id == victim else row

    at = pick(facts, lambda fact: shown(fact) and fact.events[0].type == "comment")
    fact: Any = facts[at]
    victim = fact.events[0].id
    spoiled = [
        replace(x, events=tuple(map(shadow, x.events))) if isinstance(x, f.Segment) else x for x in facts
    ]
    users = {x.viewer: x.user for x in facts if isinstance(x, f.Subscribe)}
    assert users[fact.viewer] != fact.events[0].user
    return spoiled


def broken_log(facts: list[Fact]) -> list[Fact]:
    """A hole in the numbers of the log."""
    at = pick(facts, is_segment("sequenced"))
    fact: Any = facts[at]
    return without(
        facts,
        lambda x: (
            x == fact
            or (
                isinstance(x, f.Segment)
                and x.topic == "sequenced"
                and x.from_seq == fact.from_seq
                and x.stream == fact.stream
            )
        ),
    )


def not_quarantined(facts: list[Fact]) -> list[Fact]:
    """Rubbish that is in no dead letter."""
    return [*facts, f.Fault(1.0, 0, "poison", "poison", "", "comments.ingested", 0, 77)]


PLANTS: list[tuple[Kind, Plant]] = [
    (Kind.LOST, lost_acknowledged),
    (Kind.LOST, lost_on_the_way),
    (Kind.LOST, lost_notice),
    (Kind.LOST, lost_word),
    (Kind.LOST, lost_fanout),
    (Kind.DUPLICATE, duplicate_number),
    (Kind.DUPLICATE, duplicate_to_viewer),
    (Kind.REORDERED, reordered_publication),
    (Kind.REORDERED, reordered_outside),
    (Kind.REORDERED, reordered_time),
    (Kind.SILENT_GAP, silent_gap_live),
    (Kind.SILENT_GAP, silent_gap_inside),
    (Kind.SILENT_GAP, silent_gap_uncounted),
    (Kind.SILENT_GAP, silent_gap_catch_up),
    (Kind.SILENT_GAP, silent_gap_at_the_end),
    (Kind.FALSE_GAP, false_gap_healthy),
    (Kind.FALSE_GAP, false_gap_lost),
    (Kind.FALSE_GAP, false_gap_slow),
    (Kind.PHANTOM, phantom_shown),
    (Kind.PHANTOM, phantom_never_published),
    (Kind.PHANTOM, phantom_failed),
    (Kind.PHANTOM, phantom_command),
    (Kind.PHANTOM, phantom_word),
    (Kind.CHANGED, changed_for_viewer),
    (Kind.CHANGED, changed_in_log),
    (Kind.UNMODERATED, unmoderated_no_verdict),
    (Kind.UNMODERATED, unmoderated_rejected),
    (Kind.UNMODERATED, unmoderated_forbidden),
    (Kind.UNMODERATED, unmoderated_banned),
    (Kind.SHOWN_AFTER_DELETE, shown_after_delete_in_order),
    (Kind.SHOWN_AFTER_DELETE, shown_after_delete_in_time),
    (Kind.SHOWN_AFTER_DELETE, shown_after_delete_archive),
    (Kind.TWO_CONTENTS, two_contents_in_log),
    (Kind.TWO_CONTENTS, two_contents_for_viewer),
    (Kind.ARCHIVE, archive_missing),
    (Kind.ARCHIVE, archive_twice),
    (Kind.ARCHIVE, archive_other),
    (Kind.ARCHIVE, archive_too_much),
    (Kind.TWO_OUTCOMES, two_outcomes),
    (Kind.FALSE_EPOCH, false_epoch),
    (Kind.FALSE_EPOCH, false_epoch_told),
    (Kind.MISDELIVERED, misdelivered),
    (Kind.MISDELIVERED, misdelivered_word),
    (Kind.BROKEN_LOG, broken_log),
    (Kind.NOT_QUARANTINED, not_quarantined),
]
