"""Made readers and writers against fastavro, on every record there is."""

import io
import json
from collections.abc import Mapping
from typing import Any

import fastavro
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import compiled
from schemas.codec import FEW_VALUES, FRAME_BYTES, Codec, UndecodableError, codec, latest, releases

RECORDS = sorted({release.record for release in releases()})
LONGS = st.integers(compiled.LONG_MIN, compiled.LONG_MAX) | st.integers(-70, 9_000)
INTS = st.integers(-(2**31), 2**31 - 1) | st.integers(-70, 9_000)
TEXTS = st.text(max_size=20) | st.sampled_from(["x" * 63, "x" * 64, "ü" * 5_000, "comment"])
PLAIN: Mapping[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": INTS,
    "long": LONGS,
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "string": TEXTS,
    "bytes": st.binary(max_size=100),
}


def parsed(record: str) -> Any:
    """Return the schema as fastavro wants it."""
    return fastavro.parse_schema(json.loads(latest(record).text), named_schemas={})


def values(schema: Any, named: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Return a strategy for what a schema describes; a field with a default may be left out."""
    if isinstance(schema, list):
        return st.one_of([values(each, named) for each in schema])
    if isinstance(schema, str):
        return values(named[schema], named) if schema in named else PLAIN[schema]
    kind = schema["type"]
    if kind == "record":
        named[schema["name"]] = schema
        fields = {field["name"]: values(field["type"], named) for field in schema["fields"]}
        optional = {
            field["name"] for field in schema["fields"] if "default" in field and field["type"] != "bytes"
        }
        return st.fixed_dictionaries(
            {name: each for name, each in fields.items() if name not in optional},
            optional={name: fields[name] for name in fields if name in optional},
        )
    if kind == "array":
        return st.lists(values(schema["items"], named), max_size=3)
    if kind == "map":
        return st.dictionaries(TEXTS, values(schema["values"], named), max_size=3)
    return values(kind, named)


def by_fastavro(schema: Any, value: Any) -> bytes:
    """Encode as the library does."""
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, value)
    return buffer.getvalue()


@pytest.mark.parametrize("record", RECORDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_they_write_and_read_what_fastavro_does(record: str, data: st.DataObject) -> None:
    """The same bytes for a value, defaults included, and the same value for those bytes."""
    text = json.loads(latest(record).text)
    value = data.draw(values(text, {}))
    schema = parsed(record)
    written = by_fastavro(schema, value)
    assert compiled.writer(text, FEW_VALUES)(value) == written
    assert compiled.writer(text)(value) == written
    read = fastavro.schemaless_reader(io.BytesIO(written), schema, None)
    assert compiled.reader(text)(b"12345" + written, 5) == (read, 5 + len(written))


@pytest.mark.parametrize("record", RECORDS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_of_spoiled_bytes_the_codec_says_what_fastavro_says(record: str, data: st.DataObject) -> None:
    """Cut, changed or continued records are read as by the library alone, or not at all."""
    release = latest(record)
    good = codec(record).encode(data.draw(values(json.loads(release.text), {})))
    spoiled = bytearray(good)
    for at in data.draw(st.lists(st.integers(FRAME_BYTES, len(good) - 1), max_size=3)):
        spoiled[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.just(len(good)) | st.integers(FRAME_BYTES, len(good)))
    given_ = bytes(spoiled[:cut]) + data.draw(st.just(b"") | st.binary(max_size=3))

    def outcome(decode: Any) -> Any:
        try:
            return repr(decode())
        except UndecodableError as error:
            return error.reason

    alone = codec(record)
    expected = outcome(lambda: alone._decode(given_, release.id, parsed(record)))
    assert outcome(lambda: alone.decode(given_)) == expected


@pytest.mark.parametrize("record", RECORDS)
def test_something_is_made_for_every_record(record: str) -> None:
    """None of them falls back to fastavro for its schema's sake."""
    text = json.loads(latest(record).text)
    assert callable(compiled.reader(text))
    assert callable(compiled.writer(text))


@pytest.mark.parametrize("kind", [{"type": "enum", "name": "E", "symbols": ["A"]}, ["null", "int", "string"]])
def test_what_nothing_is_made_for_is_said_so(kind: Any) -> None:
    """A schema with an enum or a wider union is left to fastavro."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "f", "type": kind}]}
    with pytest.raises(compiled.UnsupportedError):
        compiled.reader(schema)
    with pytest.raises(compiled.UnsupportedError):
        compiled.writer(schema)


@pytest.mark.parametrize(
    "spoil", [{"at": "now"}, {"at": 2**63}, {"id": None}, {"id": b"i"}, {"id": "\ud800"}]
)
def test_a_value_that_does_not_fit_is_refused_as_fastavro_refuses_it(spoil: dict[str, Any]) -> None:
    """Nothing is written for it."""
    good = {"stream_id": "s", "user_id": "u", "id": "i", "code": 1, "reason": "", "at": 5}
    value = good | {"origin": {"offset": 1, "index": 2}} | spoil
    with pytest.raises(Exception) as expected:  # noqa: PT011 - whatever it raises
        by_fastavro(parsed("notice"), value)
    with pytest.raises(type(expected.value)):
        Codec("notice").encode(value)


def test_a_number_or_length_that_is_none_is_not_read() -> None:
    """More than 64 bits, or less than nothing."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "f", "type": "long"}]}
    for data in (b"\xff" * 11, b"\xff" * 9 + b"\x7f", b"\x80"):
        with pytest.raises((ValueError, IndexError)):
            compiled.reader(schema)(data, 0)
    schema["fields"] = [{"name": "f", "type": "string"}]
    with pytest.raises(ValueError, match="negative"):
        compiled.reader(schema)(b"\x03abc", 0)
