"""Avro readers and writers made for one schema each: straight-line Python, not an interpreter of schemas.

fastavro looks at the schema for each field of each record, and reads through a file object; on our records
that is most of what a stage costs. What is made here is a function with every field written out, over bytes
and an index. It knows what our schemas use, and is only for the plain case: where it raises anything at all,
or does not end where the record does, `schemas.codec` asks fastavro, whose word counts.
`tests/schemas/test_compiled.py` holds the two against each other on every record.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from textwrap import indent
from typing import Any, Final

Read = Callable[[bytes, int], tuple[Any, int]]
"""(data, where a value begins) → (the value, where it ends)."""
Write = Callable[[Any], bytes]

VARINT_BYTES_MAX: Final = 10
LONG_MIN, LONG_MAX = -(2**63), 2**63 - 1
SMALL_MAX: Final = 8_192
"""Numbers below it are encoded by looking them up."""
CONTENT: Final = "content"
"""Stands for several fields in a row, of which the bytes are given."""
NO_SPANS: Final[Mapping[str, Sequence[str]]] = {}
REMEMBERED: Final = 4_096
"""Longer numbers, and strings of fields with few values, remembered as they are encoded."""


class UnsupportedError(Exception):
    """The schema has something that nothing is made for; fastavro reads and writes it."""


def reader(
    schema: Mapping[str, Any],
    spans: Mapping[str, Sequence[str]] = NO_SPANS,
    without: Sequence[str] = (),
    few: frozenset[str] = frozenset(),
) -> Read:
    """Make the reader of a record schema, as JSON gives it.

    ``spans``: key → fields in a row; a record that has all of them gets the key too: their bytes.
    ``without``: strings that are passed over in a record that has spans. ``few``: as in `writer`.
    """
    made = _Reader(spans, without, few)
    body = [*made.value(schema, "v"), "return v, p"]
    made_reader: Read = _function(["def made(d, p):", *_inner([*made.head, *body])], _READER_NAMES)
    return made_reader


def writer(schema: Mapping[str, Any], few: frozenset[str] = frozenset()) -> Write:
    """Make the writer of a record schema; an array of records may hold them encoded, all or none.

    ``few``: fields whose strings are often the same.
    """
    made = _Writer(few)
    made_writer: Write = made.function("v", made.value(schema, "v"))
    return made_writer


def fields_writer(
    schema: Mapping[str, Any],
    few: frozenset[str] = frozenset(),
    names: Sequence[str] = (),
    frame: bytes = b"",
) -> tuple[Callable[..., bytes], Write]:
    """Make a writer whose arguments are the record's fields, in their order.

    Only the last ones may be left out, where they have defaults: a field that the next version adds.

    ``names``: fields in a row that are given as their bytes, as one argument in their place, `CONTENT`. What
    makes these of a dict is the second writer. ``frame``: what the record begins with.
    """
    made = _Writer(few)
    fields, named = list(schema["fields"]), []
    if names:
        first = _first_of(names, fields)
        if first is None:
            raise UnsupportedError(f"{schema['name']} has no {', '.join(names)} in a row")
        span = slice(first, first + len(names))
        named, fields[span] = fields[span], [{"name": CONTENT, "type": CONTENT}]
    arguments = ", ".join(_arguments(fields))
    return (
        made.function(arguments, made.fields(fields), frame), made.function("v", made.fields(named, "v")),
    )  # fmt: skip


class _Made:
    """What reader and writer share: names in the made code, and the schema's own names."""

    def __init__(self) -> None:
        self._count = 0
        self._named: dict[str, Mapping[str, Any]] = {}

    def value(self, schema: Any, name: str) -> Iterator[str]:
        """Yield the lines for one value, in or out of the variable ``name``."""
        kind = schema["type"] if isinstance(schema, Mapping) else schema
        if isinstance(schema, list):
            if len(schema) != 2 or schema[0] != "null":
                raise UnsupportedError(f"union {schema}")
            yield from self.optional(schema[1], name)
        elif kind in self._named and not isinstance(schema, Mapping):
            yield from self.record(self._named[kind], name)
        elif isinstance(kind, (Mapping, list)):
            yield from self.value(kind, name)
        elif kind == "record":
            self._named[schema["name"]] = schema
            yield from self.record(schema, name)
        else:
            make = getattr(self, f"{kind}_", None)
            if make is None:
                raise UnsupportedError(f"type {kind}")
            yield from make(schema, name)

    def new(self) -> str:
        """Return a name that is not taken."""
        self._count += 1
        return f"x{self._count}"

    def optional(self, schema: Any, name: str) -> Iterator[str]:
        """Yield the lines for null or a value."""
        raise NotImplementedError

    def record(self, schema: Mapping[str, Any], name: str) -> Iterator[str]:
        """Yield the lines for a record."""
        raise NotImplementedError


class _Reader(_Made):
    """``d``: the bytes; ``p``: how far they are read."""

    def __init__(
        self, spans: Mapping[str, Sequence[str]], without: Sequence[str], few: frozenset[str]
    ) -> None:
        super().__init__()
        self._spans = spans
        self._without = without
        self._few = few
        self._field = ""
        self.head: list[str] = []
        """Lines that come first."""

    def optional(self, schema: Any, name: str) -> Iterator[str]:
        yield from ("n = d[p]; p += 1", f"if n == 0: {name} = None", "elif n == 2:")
        yield from _inner(self.value(schema, name))
        yield "else: raise ValueError(n)"

    def record(self, schema: Mapping[str, Any], name: str) -> Iterator[str]:
        parts, fields = [], schema["fields"]
        spans = {
            key: (first, first + len(names) - 1, self.new())
            for key, names in self._spans.items()
            if (first := _first_of(names, fields)) is not None
        }
        for number, field in enumerate(fields):
            yield from (f"{begin} = p" for first, _, begin in spans.values() if first == number)
            if spans and field["name"] in self._without:
                yield from self._passed(field["type"])
            else:
                part, self._field = self.new(), field["name"]
                yield from self.value(field["type"], part)
                parts.append(f"{field['name']!r}: {part}")
            for key, (_, last, begin) in spans.items():
                if last == number:
                    yield f"{begin} = d[{begin}:p]"
                    parts.append(f"{key!r}: {begin}")
        yield f"{name} = {{{', '.join(parts)}}}"

    def _passed(self, schema: Any) -> Iterator[str]:
        """Yield the lines that pass over a string, or one that may be missing."""
        if schema == "string":
            yield from (*_LENGTH, "p = q")
        elif schema == ["null", "string"]:
            yield from ("n = d[p]; p += 1", "if n == 2:", *_inner(self._passed("string")))
            yield "elif n: raise ValueError(n)"
        else:
            raise UnsupportedError(f"passing over {schema}")

    def _remember(self, first: str) -> int:
        """Return the number of variables r, v, n: what was read last in a place, its value, its length."""
        number = len(self.head)
        self.head.append(f"r{number} = {first.format(number)}")
        return number

    def long_(self, _: Any, name: str) -> Iterator[str]:
        # No number of several bytes begins with 0.
        number = self._remember("b'\\0'; v{0} = n{0} = 0")
        yield "n = d[p]"
        yield f"if n < 128: {name} = (n >> 1) ^ -(n & 1); p += 1"
        # No number's bytes begin another's: where they are those of the last one here, so is the number.
        yield f"elif d.startswith(r{number}, p): {name} = v{number}; p += n{number}"
        yield "elif d[p + 1] < 128:"
        yield f"    n = n & 127 | d[p + 1] << 7; {name} = (n >> 1) ^ -(n & 1); p += 2"
        yield "else:"
        yield f"    {name}, q = long(d, p); r{number} = d[p:q]; v{number} = {name}; n{number} = q - p; p = q"

    int_ = long_

    def string_(self, _: Any, name: str) -> Iterator[str]:
        if self._field not in self._few:
            yield from (*_LENGTH, f"{name} = d[p:q].decode(); p = q")
            return
        number = self._remember("b'\\0'; v{0} = ''; n{0} = 1")
        yield f"if d.startswith(r{number}, p): {name} = v{number}; p += n{number}"
        yield "else:"
        lines = (*_LENGTH, f"{name} = d[p:q].decode(); p = q")
        yield from _inner(("b = p", *lines, f"r{number} = d[b:q]; v{number} = {name}; n{number} = q - b"))

    def bytes_(self, _: Any, name: str) -> Iterator[str]:
        yield from (*_LENGTH, f"{name} = d[p:q]; p = q")

    def boolean_(self, _: Any, name: str) -> Iterator[str]:
        yield from ("n = d[p]; p += 1", "if n > 1: raise ValueError(n)", f"{name} = n == 1")

    def double_(self, _: Any, name: str) -> Iterator[str]:
        yield f"{name} = double.unpack_from(d, p)[0]; p += 8"

    def float_(self, _: Any, name: str) -> Iterator[str]:
        yield f"{name} = float_.unpack_from(d, p)[0]; p += 4"

    def array_(self, schema: Mapping[str, Any], name: str) -> Iterator[str]:
        item = self.new()
        yield f"{name} = []"
        yield from self._blocks([*self.value(schema["items"], item), f"{name}.append({item})"])

    def map_(self, schema: Mapping[str, Any], name: str) -> Iterator[str]:
        key, item = self.new(), self.new()
        lines = [*self.string_(None, key), *self.value(schema["values"], item), f"{name}[{key}] = {item}"]
        yield f"{name} = {{}}"
        yield from self._blocks(lines)

    def _blocks(self, lines: list[str]) -> Iterator[str]:
        count = self.new()
        yield from (f"{count}, p = long(d, p)", f"while {count}:")
        # A negative count is followed by the size of the block.
        yield f"    if {count} < 0: {count} = -{count}; _, p = long(d, p)"
        yield f"    for _ in range({count}):"
        yield from _inner(_inner(lines))
        yield f"    {count}, p = long(d, p)"


class _Writer(_Made):
    """``o``: pieces of what is written."""

    def __init__(self, few: frozenset[str]) -> None:
        super().__init__()
        self._functions: list[str] = []
        self._few = few
        self._field = ""

    def function(self, arguments: str, lines: Iterator[str], frame: bytes = b"") -> Any:
        """Make a function of the lines that write its arguments, and of those that they call."""
        written = _written("made", arguments, lines, frame)
        return _function([*self._functions, *written], _WRITER_NAMES)

    def optional(self, schema: Any, name: str) -> Iterator[str]:
        yield f"o.append(b'\\0' if {name} is None else b'\\2' + {self._apart(schema)}({name}))"

    def record(self, schema: Mapping[str, Any], name: str) -> Iterator[str]:
        yield from self.fields(schema["fields"], name)

    def fields(self, fields: Sequence[Mapping[str, Any]], name: str | None = None) -> Iterator[str]:
        """Yield the lines for fields of the record ``name``; None: they are variables by their names."""
        # Reading all fields first lets a run of simple ones be one tuple.
        pieces: list[str] = []
        for field in fields:
            part, self._field = self.new(), field["name"]
            # A default for bytes is written as text in a schema: fastavro's affair.
            if name is None:
                part = self._field
            elif "default" in field and field["type"] != "bytes":
                yield f"{part} = {name}.get({self._field!r}, {field['default']!r})"
            else:
                yield f"{part} = {name}[{self._field!r}]"
            if simple := self._simple(field["type"], part):
                yield from simple[0]
                pieces += simple[1]
                continue
            if pieces:
                yield f"o += ({', '.join(pieces)},)"
                pieces = []
            yield from self.value(field["type"], part)
        if pieces:
            yield f"o += ({', '.join(pieces)},)"

    def _simple(self, schema: Any, name: str) -> tuple[list[str], list[str]] | None:
        """Return lines to be run and expressions to be written; None: it takes more than that."""
        if isinstance(schema, list) and len(schema) == 2 and schema[0] == "null":
            return [], [f"b'\\0' if {name} is None else b'\\2' + {self._apart(schema[1])}({name})"]
        if not isinstance(schema, str):
            return None
        if schema in {"long", "int"}:
            return [], [f"small[{name}] if 0 <= {name} < {SMALL_MAX} else long({name})"]
        if schema == CONTENT or (schema == "string" and self._field in self._few):
            return [], [name if schema == CONTENT else f"string({name})"]
        if schema in {"string", "bytes"}:
            lines = [f"{name} = {name}.encode()"] if schema == "string" else []
            length = f"len({name})"
            return [*lines, f"n{name} = {length}"], [
                f"small[n{name}] if n{name} < {SMALL_MAX} else long(n{name})",
                name,
            ]
        return None

    def _apart(self, schema: Any) -> str:
        """Return the name of a function that writes a value of ``schema``."""
        if schema == "string":
            return "string"
        name = self.new()
        self._functions += _written(name, "v", self.value(schema, "v"))
        return name

    def long_(self, _: Any, name: str) -> Iterator[str]:
        yield f"o.append(small[{name}] if 0 <= {name} < {SMALL_MAX} else long({name}))"

    int_ = long_

    def string_(self, _: Any, name: str) -> Iterator[str]:
        yield f"b = {name}.encode(); n = len(b); o += (small[n] if n < {SMALL_MAX} else long(n), b)"

    def bytes_(self, _: Any, name: str) -> Iterator[str]:
        yield f"n = len({name}); o += (small[n] if n < {SMALL_MAX} else long(n), {name})"

    def boolean_(self, _: Any, name: str) -> Iterator[str]:
        yield f"o.append(b'\\1' if {name} else b'\\0')"

    def double_(self, _: Any, name: str) -> Iterator[str]:
        yield f"o.append(double.pack({name}))"

    def float_(self, _: Any, name: str) -> Iterator[str]:
        yield f"o.append(float_.pack({name}))"

    def array_(self, schema: Mapping[str, Any], name: str) -> Iterator[str]:
        item = self.new()
        lines = list(self._blocks(name, f"for {item} in {name}:", list(self.value(schema["items"], item))))
        if isinstance(schema["items"], Mapping) and schema["items"]["type"] == "record":
            yield f"if {name} and {name}[0].__class__ is bytes:"
            yield f"    o.append(long(len({name}))); o += {name}; o.append(b'\\0')"
            yield "else:"
            yield from _inner(lines)
        else:
            yield from lines

    def map_(self, schema: Mapping[str, Any], name: str) -> Iterator[str]:
        key, item = self.new(), self.new()
        lines = [*self.string_(None, key), *self.value(schema["values"], item)]
        yield from self._blocks(name, f"for {key}, {item} in {name}.items():", lines)

    def _blocks(self, name: str, head: str, lines: list[str]) -> Iterator[str]:
        yield from (f"if {name}:", f"    o.append(long(len({name})))", f"    {head}")
        yield from _inner(_inner(lines))
        yield "o.append(b'\\0')"


_LENGTH: Final = (
    "n = d[p]; p += 1",
    "if n & 129 == 0: n >>= 1",
    # Longer than 63; then longer than 8,191, or negative.
    "elif n & 1 == 0 and d[p] < 128: n = (n & 127 | d[p] << 7) >> 1; p += 1",
    "else: n, p = length(d, p - 1)",
    "q = p + n",
)


def _arguments(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the fields as a function has them."""
    found: list[str] = []
    optional = True
    for field in reversed(fields):
        optional = optional and "default" in field and field["type"] != "bytes"
        found.append(f"{field['name']}={field['default']!r}" if optional else field["name"])
    return found[::-1]


def _first_of(names: Sequence[str], fields: Sequence[Mapping[str, Any]]) -> int | None:
    """Return where ``names`` stand in a row among ``fields``."""
    found = [field["name"] for field in fields]
    spans = range(len(found) - len(names) + 1) if names else ()
    return next((at for at in spans if found[at : at + len(names)] == [*names]), None)


def _written(name: str, arguments: str, lines: Iterator[str], frame: bytes = b"") -> list[str]:
    """Return a function that joins what the lines append."""
    begin = f"o = [{frame!r}]" if frame else "o = []"
    return [f"def {name}({arguments}):", *_inner([begin, *lines, 'return b"".join(o)'])]


def _inner(lines: Any) -> Iterator[str]:
    for line in lines:
        yield indent(line, "    ")


def _function(lines: list[str], names: Mapping[str, Any]) -> Any:
    made = dict(names)
    exec("\n".join(lines), made)  # noqa: S102 - of our own schemas
    return made["made"]


def _read_long(data: bytes, at: int) -> tuple[int, int]:
    byte = data[at]
    value, shift = byte & 127, 7
    while byte > 127:
        if shift >= 7 * VARINT_BYTES_MAX:
            raise ValueError("a number of more than 10 bytes")
        at += 1
        byte = data[at]
        value |= (byte & 127) << shift
        shift += 7
    if value >= 2**64:
        raise ValueError("a number of more than 64 bits")
    return (value >> 1) ^ -(value & 1), at + 1


def _read_length(data: bytes, at: int) -> tuple[int, int]:
    value, at = _read_long(data, at)
    if value < 0:
        raise ValueError("a negative length")
    return value, at


def _long(number: int) -> bytes:
    if not LONG_MIN <= number <= LONG_MAX:
        raise OverflowError(number)
    value, written = (number << 1) ^ (number >> 63), bytearray()
    while value > 127:
        written.append(value & 127 | 128)
        value >>= 7
    written.append(value)
    return bytes(written)


def string(text: str) -> bytes:
    """Return a string as it is written."""
    encoded = text.encode()
    return _long(len(encoded)) + encoded


_NAMES: Final[Mapping[str, Any]] = {
    "double": struct.Struct("<d"),
    "float_": struct.Struct("<f"),
    "length": _read_length,
    "small": [_long(number) for number in range(SMALL_MAX)],
}
_READER_NAMES: Final = {**_NAMES, "long": _read_long}
_WRITER_NAMES: Final = {
    **_NAMES,
    "long": lru_cache(maxsize=REMEMBERED)(_long),
    "string": lru_cache(maxsize=REMEMBERED)(string),
}
