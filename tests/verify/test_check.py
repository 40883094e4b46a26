"""The checker: correct histories are clean, and one planted fault of each kind is caught."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from livecomments.verify import facts as f
from livecomments.verify.check import check
from livecomments.verify.facts import Minimum
from livecomments.verify.files import FactError, from_line, to_line
from livecomments.verify.report import Kind, Report
from tests.verify.histories import World, history
from tests.verify.plants import (
    PLANTS,
    Plant,
    again,
    late_lanes,
    lost_acknowledged,
    numbered,
    shown_after_delete_archive,
    shown_after_delete_in_time,
)


def found(report: Report) -> set[Kind]:
    return {kind for kind, count in report.anomalies.items() if count}


# No false alarms.


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 150), st.booleans())
def test_a_correct_history_is_clean(seed: int, steps: int, sampled: bool) -> None:
    """Retries, unknown answers that landed or not, holes, skips, merges and repeats are no anomalies."""
    report = check(history(seed, steps, sampled=sampled))
    assert report.examples == {}
    assert report.ok


@pytest.mark.parametrize("seed", range(5))
def test_a_raised_epoch_is_no_anomaly(seed: int) -> None:
    """When history was declared lost, streams start over under a new epoch, and viewers are told."""
    world = World(random.Random(seed))
    for _ in range(100):
        world.step()
    world.raise_epoch()
    for _ in range(100):
        world.step()
    report = check(world.finish())
    assert report.examples == {}
    assert len({fact.epoch for fact in world.log if isinstance(fact, f.Segment)}) == 2


def test_facts_survive_their_file() -> None:
    """What is written is what is read."""
    facts = history(3)
    assert [from_line(to_line(fact)) for fact in facts] == facts


def test_a_line_that_is_no_fact_is_refused() -> None:
    """A wrong line names itself."""
    for line in ("{", "[]", '{"fact":"nothing"}', '{"fact":"stall"}'):
        with pytest.raises(FactError):
            from_line(line)


# Planted faults.

SEED = 11


@pytest.mark.parametrize(("kind", "plant"), PLANTS, ids=[plant.__name__ for _, plant in PLANTS])
def test_a_planted_fault_is_caught(kind: Kind, plant: Plant) -> None:
    """One thing spoiled in a correct history is found, under its name, with an example."""
    facts = history(SEED)
    assert check(facts).ok
    report = check(plant(facts))
    assert kind in found(report), report.examples
    assert report.examples[kind]
    assert not report.ok


def test_every_kind_has_a_planted_fault() -> None:
    """No kind of anomaly is only claimed to be found."""
    assert {kind for kind, _ in PLANTS} == set(Kind)


# What counts.


def test_a_run_with_too_little_of_anything_fails() -> None:
    """Zero anomalies in too few operations, deliveries or faults is no result."""
    facts = history(SEED)
    for minimum in (
        Minimum(publishes=10**6),
        Minimum(deliveries=10**6),
        Minimum(faults=10**6),
        Minimum(kinds=("kill cassandra",)),
    ):
        report = check(facts, minimum)
        assert report.clean
        assert not report.ok
        assert len(report.problems) == 1


def test_a_history_that_was_never_quiet_fails() -> None:
    """What is missing may still come: such a history shows nothing."""
    facts = history(SEED)
    assert not check(facts[:-1]).ok
    assert not check([*facts, f.Quiet(1.0, ("v1 is behind",))]).ok


def test_late_comments_of_single_lanes_may_be_skipped_and_nothing_else() -> None:
    """On a sampled stream, announced; those for all lanes are shown, and a stream that is not skips none."""
    facts = history(SEED, sampled=True)
    assert check(late_lanes(facts)).ok
    assert Kind.SILENT_GAP in found(check(late_lanes(facts, shed=True)))
    assert Kind.FALSE_GAP in found(check(late_lanes(facts, sampled=False)))


def test_a_time_out_is_unknown_and_never_failed() -> None:
    """A comment without an answer may have landed, or not: neither is an anomaly."""
    op = f.Publish(500.0, 9_999, "invoke", "s", "id-open", "u0", "00")
    facts = history(SEED)
    assert check([*facts, op]).ok
    assert check([*facts, op, replace(op, stage="unknown")]).ok


def test_a_slow_reader_may_read_late_what_was_sent_before() -> None:
    """What lies in a slow viewer's socket is beyond reach: there, only the order of what it gets counts."""
    facts = shown_after_delete_in_time(history(SEED))
    assert Kind.SHOWN_AFTER_DELETE in found(check(facts))
    slow = [replace(x, slow=True) if isinstance(x, f.Subscribe) and x.viewer == "late" else x for x in facts]
    assert check(slow).ok


def test_a_slow_pipeline_has_the_bound_after_it_and_is_reported() -> None:
    """By the log's own times a delete took seconds to pass: it binds once it has, and is counted."""
    facts = history(SEED)
    calm = check(facts)
    held_up = [
        replace(x, at=x.at + 10**9) if isinstance(x, f.Segment) and x.topic == "fanout" else x
        for x in shown_after_delete_archive(facts)
    ]
    report = check(held_up)
    assert Kind.SHOWN_AFTER_DELETE in found(check(shown_after_delete_archive(facts)))
    assert Kind.SHOWN_AFTER_DELETE not in found(report)
    assert report.counts["retractions slow in the pipeline"] > calm.counts["retractions slow in the pipeline"]


def test_an_id_may_come_again_after_the_duplicate_window() -> None:
    """Sent again more than the window later, it is another comment; how late it lands is no excuse."""
    facts = history(SEED)
    stream, row = numbered(facts)[5]
    first = max(x.t for x in facts if isinstance(x, f.Publish) and x.id == row.id)
    item = f.Submission(0, "comment", stream, row.id, row.user, row.text)
    landed = f.Submitted(0, 10**6, 10**15, (item,))
    repeated = [*facts, landed, *again(facts, stream, row)]
    op = f.Publish(first + 50, 9_999, "invoke", stream, row.id, row.user, row.text)
    assert Kind.DUPLICATE in found(check([*repeated, op]))
    assert Kind.DUPLICATE not in found(check([*repeated, replace(op, t=first + 130)]))


def test_the_bound_follows_the_counts() -> None:
    """None in n supports fewer than 3 in n, and nothing when there was an anomaly."""
    report = check(history(SEED))
    assert f"{3 / report.counts['deliveries']:.1e}" in report.bound
    assert check(lost_acknowledged(history(SEED))).bound.startswith("none")


def test_reports_add_up() -> None:
    """Several seeds make one report."""
    one, two = check(history(1)), check(history(2))
    both = one.merged(two)
    assert both.counts["deliveries"] == one.counts["deliveries"] + two.counts["deliveries"]
    assert both.ok
    assert "lost" in "\n".join(both.lines())
    assert both.to_json()["ok"] is True
