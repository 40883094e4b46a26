"""Framing, decoding of what is good and what is rubbish."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import compiled
from schemas.codec import Codec, UndecodableError, codec, latest, releases


def notice(reason: str = "no") -> dict[str, Any]:
    return {
        "stream_id": "s",
        "user_id": "u",
        "id": "i",
        "code": 1001,
        "reason": reason,
        "at": 5,
        "origin": {"offset": 1, "index": 2},
        "epoch": "",
        "comment": None,
    }


@given(st.text())
def test_what_is_encoded_is_decoded(reason: str) -> None:
    """Any text comes back as it was."""
    assert codec("notice").decode(codec("notice").encode(notice(reason))) == notice(reason)


def test_the_frame_is_confluents() -> None:
    """0x00, the schema id in four bytes, big-endian, then Avro: any registry-aware reader knows it."""
    assert codec("notice").encode(notice())[:5] == b"\0" + latest("notice").id.to_bytes(4, "big")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "not_framed"),
        (b"", "not_framed"),
        (b"\0\0\0", "not_framed"),
        (b"\1" + bytes(20), "not_framed"),
        (b"\0\0\0\x27\x0f" + bytes(20), "unknown_schema"),
        (b"\0\0\0\0\1" + bytes(20), "unknown_schema"),
    ],
)
def test_rubbish_has_a_reason(data: bytes | None, reason: str) -> None:
    """A stranger's bytes, and another record's, are told apart from ours."""
    with pytest.raises(UndecodableError) as caught:
        codec("notice").decode(data)
    assert caught.value.reason == reason


@given(st.data())
def test_cut_or_changed_records_never_raise_anything_else(data: st.DataObject) -> None:
    """Whatever bytes stand behind a good frame, the answer is a record or UndecodableError."""
    good = codec("notice").encode(notice("some words"))
    cut = data.draw(st.integers(5, len(good)))
    junk = data.draw(st.binary(max_size=40))
    with contextlib.suppress(UndecodableError):
        codec("notice").decode(good[:cut] + junk)


def test_bytes_behind_a_record_are_refused() -> None:
    """A record that goes on behind its end was written by something else."""
    with pytest.raises(UndecodableError):
        codec("notice").decode(codec("notice").encode(notice()) + b"x")


@pytest.mark.parametrize("record", sorted({release.record for release in releases()}))
def test_every_record_has_a_codec(record: str) -> None:
    """Each released schema parses."""
    assert Codec(record).id == latest(record).id


def test_a_record_is_encoded_from_its_fields_as_from_its_dict() -> None:
    """The same bytes, nested records included."""
    nowhere = {"offset": 5, "index": 2}
    event = {
        "type": "comment", "seq": 1, "at": 5, "id": "c", "user_id": "u", "user_name": "U", "role": "viewer",
        "text": "hello", "sticker": None, "command": None, "mask": -1,
    }  # fmt: skip
    record = {
        "stream_id": "s", "epoch": "e-0", "from_seq": 0, "to_seq": 1, "origin": nowhere, "covered": nowhere,
        "claim": "", "token": 7, "source_token": 9, "events": [event],
        "refused": [{"id": "x", "user_id": "u", "at": 3}],
    }  # fmt: skip
    made = codec("sequenced")
    assert made.of_fields()[0](*record.values()) == made.encode(record)
    encode, head = made.of_fields("covered", "claim", "token", "source_token")
    fields = [*record.values()]
    assert encode(*fields[:5], head(record), *fields[9:]) == made.encode(record)


def test_what_a_later_version_adds_need_not_be_given() -> None:
    """The release that writes it may have stages that have nothing to say there: its default is written."""
    mood = {"name": "mood", "type": "string", "default": "glad"}
    write, _ = compiled.fields_writer({"name": "Grown", "fields": [{"name": "at", "type": "long"}, mood]})
    assert write(5) == write(5, "glad") == write(5, mood="glad") != write(5, "sad")
