"""The independent reader against the system's own codec and rules: two readings of one document."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from livecomments.verify import facts as f
from livecomments.verify import logreader
from schemas import continuity
from schemas.codec import codec
from schemas.topics import BY_NAME, DLQ, FANOUT, FLAT, MODERATED, NOTICES, SEQUENCED, SUBMITTED

ORIGIN = {"offset": 4, "index": 1}


@dataclass
class Row:
    """What aiokafka gives of a record, as far as it is read."""

    partition: int = 3
    offset: int = 9
    timestamp: int = 1_000


@given(st.lists(st.one_of(st.none(), st.integers(-1, 40)), max_size=40))
def test_both_fences_admit_the_same(writes: list[int | None]) -> None:
    """Claims (None) and records of any token, in any order."""
    ours, theirs = logreader.Fence(), continuity.Fence()
    for offset, token in enumerate(writes):
        record = {"claim": "w" if token is None else "", "token": -1 if token is None else token}
        assert ours.passes(offset, record) == theirs.admits(offset, record)


def read(topic: Any, record: Any) -> list[f.Fact]:
    found = logreader.Schemas().decode(codec(topic.record).encode(record))
    assert found is not None
    return list(logreader._facts(*found, Row(), {"s"}.__contains__))


def item(stream: str = "s", **more: Any) -> dict[str, Any]:
    plain = {"type": "comment", "stream_id": stream, "id": "i", "user_id": "u", "user_name": "U"}
    return plain | {"role": "viewer", "text": " e\u0301 ", "sticker": None, "command": None} | more


def event(seq: int, **more: Any) -> dict[str, Any]:
    return item() | {"seq": seq, "at": 5, "mask": -1} | more


def segment(**more: Any) -> dict[str, Any]:
    plain = {
        "stream_id": "s",
        "epoch": "k-0",
        "from_seq": 0,
        "to_seq": 1,
        "origin": ORIGIN,
        "covered": ORIGIN,
    }
    return plain | {"claim": "", "token": 3, "events": [event(1)]} | more


def test_submissions_of_other_streams_are_left_out() -> None:
    """A record may hold many streams; the place in the record stays right."""
    (fact,) = read(SUBMITTED, {"gateway": "g", "items": [item("other"), item()]})
    assert fact == f.Submitted(3, 9, 1_000, (f.Submission(1, "comment", "s", "i", "u", f.text_hash("é")),))
    assert read(SUBMITTED, {"gateway": "g", "items": [item("other")]}) == []


def test_verdicts_name_their_origin() -> None:
    """Offset and index are those of comments.submitted."""
    judged = item() | {"offset": 7, "index": 2, "at": 5, "verdict": "reject", "refusal": "banned"}
    record = {
        "claim": "",
        "token": 1,
        "source_token": 1,
        "after": ORIGIN,
        "covered": ORIGIN,
        "items": [judged],
    }
    (fact,) = read(MODERATED, record)
    assert fact == f.Verdicts(3, 9, (f.Judged(7, 2, "comment", "s", "i", "u", "reject", "banned"),))


def test_segments_have_contents_targets_and_refusals() -> None:
    """A command's target and duration count; a shadow's mask is kept."""
    arguments = {"target": "bob", "seconds": 60, "reason": None, "settings": None}
    ban = event(2, type="ban", id="c", text="", command=arguments, mask=0)
    refused = [{"id": "x", "user_id": "u", "at": 5}]
    (fact,) = read(SEQUENCED, segment(to_seq=2, events=[event(1), ban], refused=refused))
    assert isinstance(fact, f.Segment)
    assert fact.topic == "sequenced"
    assert fact.events[0] == f.Content(1, "comment", "i", "u", f.text_hash("é"))
    assert fact.events[1] == f.Content(2, "ban", "c", "u", f.text_hash(""), "bob", 0, 60)
    assert fact.refused == (("x", "u"),)


def test_fanout_says_whether_it_is_sampled() -> None:
    """Then numbers may be left out of its range."""
    (fact,) = read(FANOUT, segment(to_seq=5, sampled=True))
    assert isinstance(fact, f.Segment)
    assert (fact.topic, fact.sampled, fact.to_seq, len(fact.events)) == ("fanout", True, 5, 1)


def test_control_records_say_nothing() -> None:
    """Claims and coverage have no stream."""
    assert read(SEQUENCED, segment(stream_id="", events=[])) == []


def test_notices_flat_rows_and_dead_letters() -> None:
    """Each becomes the fact of its name."""
    notice = {
        "stream_id": "s",
        "user_id": "u",
        "id": "i",
        "code": 1001,
        "reason": "",
        "at": 1,
        "origin": ORIGIN,
    }
    assert read(NOTICES, notice) == [f.Notice(9, "s", "u", "i", 1001)]
    flat = item() | {"stream_id": "s", "epoch": "k-0", "seq": 1, "at": 5}
    assert read(FLAT, flat) == [
        f.Row(0.0, "flat", "s", "k-0", f.Content(1, "comment", "i", "u", f.text_hash("é")))
    ]
    dead = {
        "stage": "ingest",
        "topic": "comments.submitted",
        "partition": 1,
        "offset": 2,
        "reason": "not_framed",
    }
    letter = dead | {"detail": "", "at": 1, "size": 3, "value": b"x"}
    assert read(DLQ, letter) == [f.Dead("ingest", "comments.submitted", 1, 2, "not_framed")]


CUT = codec("notice").encode(
    {"stream_id": "s", "user_id": "u", "id": "i", "code": 1, "reason": "", "at": 1, "origin": ORIGIN}
)[:-3]


@pytest.mark.parametrize("value", [None, b"", b"\1\0\0\0\1", b"\0\0\0\0\xff", CUT])
def test_what_is_no_record_is_none(value: bytes | None) -> None:
    """It is passed over, whatever it is."""
    assert logreader.Schemas().decode(value) is None


def test_the_topics_are_those_there_are() -> None:
    """Names are written down twice on purpose; they must be the same."""
    assert set(logreader.TOPICS) <= set(BY_NAME)
