"""What was said, as bytes: it stands alike in every record, so that stages hand it on as they read it.

Items and events have `FIELDS` in a row. Who reads a record by `reading` finds their bytes beside them, and
writes other fields `Around` those bytes. Who changes one of the fields takes the bytes out (`forget`): they
are then written anew. What `moderate` reads it hands on but for two fields behind the rest: its ``whole``.
Fields that a stage seldom looks at it need not read: it passes over them, and reads them out of the bytes
when it must (`spelled`). And a comment is known by the bytes of its ids, its `identity`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

from schemas import compiled
from schemas.codec import FEW_VALUES, Codec, Release, latest, written

FIELDS: Final = ("id", "user_id", "user_name", "role", "text", "sticker", "command")
CARRIERS: Final = ("submitted", "ingested", "moderated", "sequenced", "fanout")
"""Records between gateway and edge, which have it in one form."""
WHOLE_FIELDS: Final = ("offset", "index", "at", "type", "stream_id", *FIELDS)
WHOLE_CARRIERS: Final = ("ingested", "moderated")
IDENTITY_FIELDS: Final = ("stream_id", "id", "user_id")
CONTENT: Final = "content"
"""Beside an item's fields: the bytes of `FIELDS`."""
WHOLE: Final = "whole"
"""The bytes of `WHOLE_FIELDS`."""
IDENTITY: Final = "identity"
"""The bytes of `IDENTITY_FIELDS`, where they are in a row."""


class Around:
    """Writes the items or events of ``record`` one by one, to be given to its `Codec.encode` as bytes.

    ``whole``: around `WHOLE_FIELDS`, not `FIELDS`.
    """

    def __init__(self, record: str, *, whole: bool = False) -> None:
        names: Sequence[str] = WHOLE_FIELDS if whole else FIELDS
        self._key = WHOLE if whole else CONTENT
        schema = _carrier(written(record))
        if schema is None:
            raise compiled.UnsupportedError(f"{record} has nothing with {', '.join(FIELDS)}")
        self.write, self._write_named = compiled.fields_writer(schema, FEW_VALUES, names)
        """Called with an element's other fields, and the bytes of `of` in the place of those."""

    def of(self, said: Mapping[str, Any]) -> bytes:
        """Return the bytes of the fields: those that were read, or written now."""
        return said.get(self._key) or self._write_named(said)


def forget(said: Any) -> None:
    """Take the bytes out of an item of which a field is about to change."""
    said.update(spelled(said))
    said.pop(CONTENT, None)
    said.pop(WHOLE, None)
    said.pop(IDENTITY, None)


def spelled(said: Any) -> Any:
    """Return an item with all of `FIELDS`, those that were passed over too."""
    if all(name in said for name in FIELDS):
        return said
    fields, _ = _fields_reader()(said[CONTENT], 0)
    return {**said, **fields}


def identity(said: Any) -> bytes:
    """Return what a comment is known by: an author's id of it is theirs, in one stream."""
    return said.get(IDENTITY) or identity_of(said["stream_id"], said["id"], said["user_id"])


def identity_of(stream_id: str, id_: str, user_id: str) -> bytes:
    """Return what a comment with these is known by (`identity`)."""
    return compiled.string(stream_id) + compiled.string(id_) + compiled.string(user_id)


@cache
def reading(record: str, *, whole: bool = False, without: Sequence[str] = ()) -> Codec:
    """Return a codec that gives the bytes beside the fields, where what is read is what is written.

    There, it passes over the fields ``without``, strings among `FIELDS`; it does not look whether they are
    UTF-8: whoever read them before did.
    """
    if not _is_one_form(FIELDS, CARRIERS):
        return Codec(record)
    spans: dict[str, Sequence[str]] = {CONTENT: FIELDS, IDENTITY: IDENTITY_FIELDS}
    if whole and _is_one_form(WHOLE_FIELDS, WHOLE_CARRIERS):
        spans[WHOLE] = WHOLE_FIELDS
    return Codec(record, spans, without)


@cache
def _fields_reader() -> compiled.Read:
    schema: Any = _carrier(written(CARRIERS[0]))
    fields = [field for field in schema["fields"] if field["name"] in FIELDS]
    return compiled.reader({"type": "record", "name": "Said", "fields": fields})


@cache
def _is_one_form(fields: Sequence[str], carriers: Sequence[str]) -> bool:
    """Whether the carriers have the same form of the fields, in what is written and what is read.

    Not so while a release changes it, which is written only by the next one (`schemas.codec.Release`).
    """
    forms = set()
    for record in carriers:
        for release in (latest(record), written(record)):
            schema = _carrier(release)
            if schema is not None:
                forms.add(json.dumps(_form(schema, fields), sort_keys=True))
    return len(forms) == 1


def _form(schema: Mapping[str, Any], names: Sequence[str]) -> Any:
    named: dict[str, Any] = {}

    def form(kind: Any) -> Any:
        if isinstance(kind, list):
            return [form(each) for each in kind]
        if isinstance(kind, str):
            return named.get(kind, kind)
        if kind["type"] == "record":
            fields = [[field["name"], form(field["type"])] for field in kind["fields"]]
            named[kind["name"]] = fields
            return fields
        return [kind["type"], *(form(kind[part]) for part in ("items", "values") if part in kind)]

    forms = [[field["name"], form(field["type"])] for field in schema["fields"]]
    return [each for each in forms if each[0] in names]


def _carrier(release: Release) -> Mapping[str, Any] | None:
    """Return the schema of the record's elements that have all of `FIELDS`, if it has any."""
    return next(_elements(json.loads(release.text)), None)


def _elements(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if {field["name"] for field in schema["fields"]} >= set(FIELDS):
        yield schema
    for field in schema["fields"]:
        kind = field["type"]
        if isinstance(kind, Mapping) and kind["type"] == "array" and isinstance(kind["items"], Mapping):
            yield from _elements(kind["items"])
