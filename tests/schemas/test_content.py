"""What is handed on as bytes is what writing the fields would give."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.sequence import SequenceStage
from schemas import compiled, content
from schemas.codec import codec, latest
from schemas.content import (
    CARRIERS,
    CONTENT,
    FIELDS,
    IDENTITY,
    WHOLE,
    Around,
    forget,
    identity,
    reading,
    spelled,
)
from tests.schemas.test_compiled import values


def array_of(record: str) -> str:
    """Return the name of a record's field that has the items or events."""
    return "items" if record in {"submitted", "ingested", "moderated"} else "events"


@pytest.mark.parametrize("record", CARRIERS)
@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_it_is_handed_on_as_it_would_be_written(record: str, data: st.DataObject) -> None:
    """Read with its bytes, written around them, and read again: the same record, to the byte."""
    value = data.draw(values(json.loads(latest(record).text), {}))
    written = codec(record).encode(value)
    read, plain = reading(record).decode(written), codec(record).decode(written)
    around, elements = Around(record), read[array_of(record)]
    others = [name for name in plain[array_of(record)][0] if name not in FIELDS] if elements else []
    pieces = []
    for element in elements:
        assert element[CONTENT]
        by_name = {name: element[name] for name in others} | {compiled.CONTENT: around.of(element)}
        pieces.append(around.write(**by_name))
        forget(element)
        assert around.of(element) == by_name[compiled.CONTENT]
    assert codec(record).encode({**value, array_of(record): pieces}) == written
    assert read == plain


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_what_moderate_reads_it_hands_on_whole(data: st.DataObject) -> None:
    """All but the verdict, as it came; read again the same, and the same if it had to be written anew."""
    value = data.draw(values(json.loads(latest("ingested").text), {}))
    written = codec("ingested").encode(value)
    read, plain = reading("ingested", whole=True).decode(written), codec("ingested").decode(written)
    around, pieces = Around("moderated", whole=True), []
    for item in read["items"]:
        whole = around.of(item)
        assert whole is item[WHOLE]
        pieces.append(around.write(whole, "allow", None))
        forget(item)
        assert around.of(item) == whole
    head = {"claim": "", "token": 1, "source_token": 1, "after": value["after"], "covered": value["covered"]}
    moderated = codec("moderated").decode(codec("moderated").encode({**head, "items": pieces}))
    assert moderated["items"] == [{**item, "verdict": "allow", "refusal": None} for item in plain["items"]]


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_what_is_passed_over_is_there_when_it_is_wanted(data: st.DataObject) -> None:
    """And the rest is read as it would be; what one is known by is the same whichever way it was read."""
    value = data.draw(values(json.loads(latest("moderated").text), {}))
    written = codec("moderated").encode(value)
    read, plain = (
        reading("moderated", without=SequenceStage.passes_over).decode(written),
        codec("moderated").decode(written),
    )
    assert {**read, "items": []} == {**plain, "items": []}
    for item, full in zip(read["items"], plain["items"], strict=True):
        assert not item.keys() & set(SequenceStage.passes_over)
        assert item.keys() & full.keys() == full.keys() - set(SequenceStage.passes_over)
        assert spelled(item).items() >= full.items()
        assert item[IDENTITY] == identity(item) == identity(full)
        forget(item)
        assert item == full


@given(st.lists(st.tuples(st.text(), st.text(), st.text()), min_size=2, max_size=2, unique=True))
def test_two_comments_are_not_known_by_the_same(names: list[tuple[str, str, str]]) -> None:
    """Wherever one of their ids ends and the next begins."""
    first, second = ({"stream_id": a, "id": b, "user_id": c} for a, b, c in names)
    assert identity(first) != identity(second)


def test_a_changed_field_is_written_when_the_bytes_are_taken_out() -> None:
    """And it would not be otherwise: bytes and fields are one."""
    item = {
        "type": "comment", "stream_id": "s", "id": "c", "user_id": "u", "user_name": "U", "role": "viewer",
        "text": "hello", "sticker": None, "command": None,
    }  # fmt: skip
    record = codec("submitted").encode({"gateway": "g", "items": [item]})
    read = reading("submitted").decode(record)["items"][0]
    before = Around("submitted").of(read)
    read["text"] = "bye"
    assert Around("submitted").of(read) == before
    forget(read)
    piece = Around("submitted").write("comment", "s", Around("submitted").of(read))
    again = codec("submitted").decode(codec("submitted").encode({"gateway": "g", "items": [piece]}))
    assert again["items"][0]["text"] == "bye"


def test_nothing_is_handed_on_while_a_release_changes_its_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker reads the new form before it writes it: bytes of one would not do in the other."""
    monkeypatch.setattr(
        content, "latest", lambda record: _Grown() if record == "ingested" else latest(record)
    )
    content._is_one_form.cache_clear()
    try:
        assert not content._is_one_form(FIELDS, CARRIERS)
    finally:
        content._is_one_form.cache_clear()
    monkeypatch.undo()
    assert content._is_one_form(FIELDS, CARRIERS)


class _Grown:
    """The next version of `ingested`: an item's sticker has become a number."""

    @property
    def text(self) -> str:
        """As `Release.text`."""
        schema: Any = json.loads(latest("ingested").text)
        items = next(field for field in schema["fields"] if field["name"] == "items")["type"]["items"]
        next(field for field in items["fields"] if field["name"] == "sticker")["type"] = ["null", "long"]
        return json.dumps(schema)
