"""Records to bytes and back, in the Confluent wire format: 0x00, schema id (4 bytes), Avro.

Every schema version that was ever released stays readable: the id in the frame names the writer's
schema, and the reader gets it in today's shape. Schemas are parsed once and kept by id. For today's schema
there are a reader and a writer made for it (`schemas.compiled`); what they do not do, fastavro does.
"""

import io
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import fastavro
from fastavro.types import Schema

from schemas import compiled

MAGIC = 0
_FRAME = struct.Struct(">bI")
FRAME_BYTES = _FRAME.size
FEW_VALUES = frozenset({"type", "role", "verdict", "refusal", "epoch", "stream_id", "code", "reason"})
"""Fields of which the records have few values at a time."""
OFTEN_AGAIN = FEW_VALUES - {"stream_id"}
"""Of which the next one is mostly like the last."""


class UndecodableError(Exception):
    """The writer's fault: bytes that are no record of ours. Retrying cannot help.

    ``reason`` is one of ``not_framed``, ``unknown_schema``, ``undecodable``.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Release:
    """One released version of a record's schema, and the id it is framed with.

    ``written``: false in the release that introduces the version. It can be read then, and the version before
    is written: workers of the last release, which do not know it, may still run beside. The next release
    writes it.
    """

    id: int
    record: str
    version: int
    written: bool = True

    @property
    def text(self) -> str:
        """The schema as JSON."""
        return _text(f"released/{self.record}.v{self.version}.avsc")


@cache
def releases() -> tuple[Release, ...]:
    """Return all released versions, ascending by id. Source: ``schemas/registry.json``."""
    return tuple(Release(**row) for row in json.loads(_text("registry.json")))


def latest(record: str) -> Release:
    """Return the newest version of ``record`` (e.g. ``"sequenced"``), in whose shape all are read."""
    return max((row for row in releases() if row.record == record), key=lambda row: row.version)


def written(record: str) -> Release:
    """Return the version that ``record`` is written with: the newest that the last release knew too."""
    rows = (row for row in releases() if row.record == record and row.written)
    return max(rows, key=lambda row: row.version)


def schema_text(record: str) -> str:
    """Return today's schema of ``record`` as JSON."""
    return _text(f"{record}.avsc")


class Codec:
    """Encodes one record type; decodes any released version of it.

    ``encode`` takes and ``decode`` returns plain dicts in the shape of `schemas.records`. ``spans``,
    ``without``: see `schemas.content`.
    """

    def __init__(
        self,
        record: str,
        spans: Mapping[str, Sequence[str]] = compiled.NO_SPANS,
        without: Sequence[str] = (),
    ) -> None:
        release, newest = written(record), latest(record)
        self.record = record
        self.id = release.id
        self._schema = _parsed(release.id)
        self._newest, self._shape = newest.id, _parsed(newest.id)
        self._frame = _FRAME.pack(MAGIC, release.id)
        self._read: compiled.Read = _nothing_made
        self._write: compiled.Write = _nothing_made
        with suppress(compiled.UnsupportedError):
            self._read = compiled.reader(json.loads(newest.text), spans, without, OFTEN_AGAIN)
            self._write = compiled.writer(json.loads(release.text), FEW_VALUES)
        self._writers = {row.id: _parsed(row.id) for row in releases() if row.record == record}

    def encode(self, value: Any) -> bytes:
        """Frame and encode one record."""
        try:
            return self._frame + self._write(value)
        except Exception:  # noqa: BLE001 - fastavro says what is wrong, if anything
            return self._encode(value)

    def of_fields(self, *names: str) -> tuple[Callable[..., bytes], compiled.Write]:
        """Return what encodes as `encode` does, from the record's fields in their order: in less time.

        ``names``: fields in a row that are given as their bytes, once in the place of all; what makes these
        of a dict is returned too. What is no such record raises whatever comes of it.
        """
        schema = json.loads(written(self.record).text)
        # What is remembered of many streams, one a record, is forgotten before it comes again.
        return compiled.fields_writer(schema, OFTEN_AGAIN, names, self._frame)

    def _encode(self, value: Any) -> bytes:
        buffer = io.BytesIO()
        buffer.write(self._frame)
        fastavro.schemaless_writer(buffer, self._schema, value)
        return buffer.getvalue()

    def decode(self, data: bytes | None) -> Any:
        """Decode one framed record.

        Raises:
            UndecodableError: when it is not framed, has an id that is not this record's, is cut
                short, or goes on behind its end.

        """
        if data is None or len(data) < FRAME_BYTES or data[0] != MAGIC:
            raise UndecodableError("not_framed", "the value does not begin with 0x00 and a schema id")
        schema_id = _FRAME.unpack_from(data)[1]
        writer = self._writers.get(schema_id)
        if writer is None:
            raise UndecodableError("unknown_schema", f"schema id {schema_id} is not a {self.record}")
        if schema_id == self._newest:
            with suppress(Exception):
                value, end = self._read(data, FRAME_BYTES)
                if end == len(data):
                    return value
        return self._decode(data, schema_id, writer)

    def _decode(self, data: bytes, schema_id: int, writer: Schema) -> Any:
        buffer = io.BytesIO(data)
        buffer.seek(FRAME_BYTES)
        try:
            # A differing reader schema doubles the cost: it is given only where it differs.
            reader = None if schema_id == self._newest else self._shape
            value = fastavro.schemaless_reader(buffer, writer, reader)
        except (EOFError, IndexError, KeyError, OverflowError, TypeError, ValueError) as error:
            raise UndecodableError("undecodable", f"{type(error).__name__} as {self.record}") from error
        if buffer.tell() != len(data):
            raise UndecodableError(
                "undecodable", f"{len(data) - buffer.tell()} bytes behind the {self.record}"
            )
        return value


def _nothing_made(*_: Any) -> Any:
    raise compiled.UnsupportedError


@cache
def codec(record: str) -> Codec:
    """Return the shared codec of ``record``."""
    return Codec(record)


@cache
def _parsed(schema_id: int) -> Schema:
    release = next(row for row in releases() if row.id == schema_id)
    # The copy is parsed under names of its own, so that versions of one record do not meet.
    return fastavro.parse_schema(json.loads(release.text), named_schemas={})


def _text(name: str) -> str:
    return (resources.files("schemas") / name).read_text(encoding="utf-8")
