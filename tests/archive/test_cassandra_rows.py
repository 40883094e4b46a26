"""How events are sorted into partitions and batches, without a Cassandra."""

from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.archive.cassandra_cql import EVENT_TABLES, STATEMENTS
from schemas.archive.cassandra_rows import (
    BATCH_BYTES_MAX,
    BUCKET_BITS,
    Partition,
    bucket_of,
    by_stream,
    chunks,
    comment,
    size,
    split,
)
from schemas.archive.cassandra_schema import compaction
from schemas.records import Event
from tests.archive import events as make

TEXTS = st.text(max_size=600)


@given(texts=st.lists(st.tuples(TEXTS, TEXTS), max_size=60))
def test_batches_keep_order_and_stay_small(texts: list[tuple[str, str]]) -> None:
    """Cut into batches, events stay in order, none is lost, and only one alone may be over the limit."""
    events = [make.comment(seq, text=text, user_name=name) for seq, (text, name) in enumerate(texts, 1)]
    parts = list(chunks(events))
    assert list(chain.from_iterable(parts)) == events
    assert all(len(part) == 1 or sum(map(size, part)) <= BATCH_BYTES_MAX for part in parts)


@given(text=TEXTS, name=st.text(max_size=100), reason=st.text(max_size=300))
def test_the_estimate_is_not_too_small(text: str, name: str, reason: str) -> None:
    """An event's estimated size covers its strings as UTF-8 and its numbers."""
    for event in (make.comment(1, text=text, user_name=name), make.order(1, "ban", name, reason=reason)):
        strings = [event[part] for part in ("id", "user_id", "user_name", "role", "text")]
        strings += [part for part in (event["command"] or {}).values() if isinstance(part, str)]
        assert size(event) >= sum(len(part.encode()) for part in strings) + 4 * 8


def test_a_segment_goes_to_its_buckets() -> None:
    """Numbers decide the bucket; segments of one stream come together; deletes and clears are listed."""
    edge = 1 << BUCKET_BITS
    first = [make.comment(edge - 2), make.order(edge - 1, "delete", "c1"), make.comment(edge)]
    second = [make.order(edge + 1, "clear", "u1"), make.order(edge + 2, "pin", "c1")]
    found = split([make.segment("s", first), make.segment("s", second), make.segment("t", first[:1])])
    assert dict(found.partitions) == {
        Partition("s", make.EPOCH, 0): first[:2],
        Partition("s", make.EPOCH, 1): [first[2], *second],
        Partition("t", make.EPOCH, 0): first[:1],
    }
    assert found.hides == [("s", make.EPOCH, first[1]), ("s", make.EPOCH, second[0])]
    assert [bucket_of(seq) for seq in (1, edge - 1, edge)] == [0, 0, 1]


def test_a_streams_events_are_written_in_order() -> None:
    """However segments come, each stream's partitions and events are sent ascending."""
    edge = 1 << BUCKET_BITS
    late, early = (
        [make.comment(edge), make.comment(edge + 1)],
        [make.comment(edge - 2), make.comment(edge - 1)],
    )
    parts = split([make.segment("s", late), make.segment("t", late[1:]), make.segment("s", early[1:])])
    parts.partitions[Partition("s", make.EPOCH, 0)].append(early[0])
    found = [[(key, list(events)) for key, events in stream] for stream in by_stream(parts)]
    assert found == [
        [(Partition("s", make.EPOCH, 0), early), (Partition("s", make.EPOCH, 1), late)],
        [(Partition("t", make.EPOCH, 1), late[1:])],
    ]


def test_what_is_left_of_an_expired_row_is_hidden() -> None:
    """A row that only an erasure's blanks are left of is an event that nobody sees."""
    event: Event = comment((7, None, None, None, "", None, "", None, None))
    assert (event["seq"], event["mask"], event["text"]) == (7, 0, "")


def test_every_row_says_its_time() -> None:
    """No write leaves the time to a clock, or the time to live to the table."""
    writes = [text for name, text in STATEMENTS.items() if name.split()[0] in {"put", "blank"}]
    assert len(writes) == 3 + 2 * len(EVENT_TABLES)
    assert all("USING TIMESTAMP ? AND TTL ?" in text for text in writes)


@pytest.mark.parametrize(
    ("days", "found", "wanted"),
    [
        (None, {"class": "org.apache.SizeTieredCompactionStrategy"}, None),
        (None, {"class": "TimeWindowCompactionStrategy"}, {"class": "UnifiedCompactionStrategy"}),
        (30, {"class": "UnifiedCompactionStrategy"}, "24"),
        (1, {"class": "UnifiedCompactionStrategy"}, "1"),
        (365, {"class": "x.TimeWindowCompactionStrategy", "compaction_window_unit": "DAYS"}, "292"),
    ],
)
def test_compaction_follows_the_retention(
    days: int | None, found: dict[str, str], wanted: dict[str, str] | str | None
) -> None:
    """By age in at most 30 windows where rows expire; else as the cluster does."""
    if isinstance(wanted, str):
        wanted = {
            "class": "TimeWindowCompactionStrategy",
            "compaction_window_unit": "HOURS",
            "compaction_window_size": wanted,
        }
    assert compaction(days, found) == wanted
    if wanted is not None and "compaction_window_size" in wanted:
        assert compaction(days, wanted) is None
