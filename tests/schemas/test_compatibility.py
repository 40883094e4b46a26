"""Each schema against its last released version, with the `avro` package; and against its Python shape."""

import json
import typing
from pathlib import Path

import avro.schema
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType

from schemas import records
from schemas.codec import Release, latest, releases, schema_text, written

FOLDER = Path(__file__).resolve().parents[2] / "schemas"
RECORDS = sorted({release.record for release in releases()})

SHAPES = {
    "submitted": records.Submitted,
    "ingested": records.Ingested,
    "moderated": records.Moderated,
    "sequenced": records.Sequenced,
    "fanout": records.Fanout,
    "notice": records.Notice,
    "dead": records.Dead,
    "flat": records.Flat,
    "position": records.Position,
    "rules": records.Rules,
}


def compatible(reader: str, writer: str) -> bool:
    checker = ReaderWriterCompatibilityChecker()
    found = checker.get_compatibility(avro.schema.parse(reader), avro.schema.parse(writer))
    return found.compatibility is SchemaCompatibilityType.compatible


@pytest.mark.parametrize("record", RECORDS)
def test_today_reads_and_is_read_by_every_release(record: str) -> None:
    """Old records stay readable, and old readers go on reading: both ways, every version."""
    today = schema_text(record)
    for release in releases():
        if release.record == record:
            assert compatible(today, release.text), f"today cannot read {record} v{release.version}"
            assert compatible(release.text, today), f"{record} v{release.version} cannot read today's"


@pytest.mark.parametrize("record", RECORDS)
def test_what_is_written_is_a_released_version(record: str) -> None:
    """A changed schema gets a new version in `released/` and an id, or it is not written."""
    assert json.loads(latest(record).text) == json.loads(schema_text(record)), (
        f"schemas/{record}.avsc differs from its last release: copy it to "
        f"released/{record}.v{latest(record).version + 1}.avsc and give it an id in registry.json"
    )


def test_the_gate_would_notice() -> None:
    """A field without a default, and a changed type, are told apart from a harmless addition."""
    today = json.loads(schema_text("notice"))
    field = {"name": "new", "type": "string"}
    assert not compatible(json.dumps(today | {"fields": [*today["fields"], field]}), json.dumps(today))
    assert compatible(
        json.dumps(today | {"fields": [*today["fields"], field | {"default": ""}]}), json.dumps(today)
    )
    changed = [row | {"type": "string"} if row["name"] == "code" else row for row in today["fields"]]
    assert not compatible(json.dumps(today | {"fields": changed}), json.dumps(today))


@pytest.mark.parametrize("record", RECORDS)
def test_a_new_version_waits_a_release(record: str) -> None:
    """At most the newest version is not written yet, and there is one that is."""
    versions = [row for row in releases() if row.record == record]
    assert written(record) in versions
    assert [row.version for row in versions if not row.written] in ([], [latest(record).version])


def test_ids_are_given_once() -> None:
    """Ids are distinct, versions count from 1, and every file in the folder is registered."""
    rows: tuple[Release, ...] = releases()
    assert len({row.id for row in rows}) == len(rows)
    for record in RECORDS:
        versions = sorted(row.version for row in rows if row.record == record)
        assert versions == list(range(1, len(versions) + 1))
    assert {path.stem for path in FOLDER.glob("*.avsc")} == set(RECORDS)
    assert {path.name for path in (FOLDER / "released").glob("*.avsc")} == {
        f"{row.record}.v{row.version}.avsc" for row in rows
    }


@pytest.mark.parametrize("record", RECORDS)
def test_every_field_is_documented(record: str) -> None:
    """A reader of the contract needs no other source."""
    for where, node in _nodes(json.loads(schema_text(record)), record):
        assert node.get("doc"), f"{where} has no doc"


@pytest.mark.parametrize("record", sorted(SHAPES))
def test_python_shapes_have_the_schemas_fields(record: str) -> None:
    """`schemas.records` says what fastavro gives."""
    fields = {row["name"] for row in json.loads(schema_text(record))["fields"]}
    assert set(typing.get_type_hints(SHAPES[record])) == fields


def _nodes(schema: typing.Any, at: str) -> typing.Iterator[tuple[str, dict[str, typing.Any]]]:
    if isinstance(schema, list):
        for part in schema:
            yield from _nodes(part, at)
    elif isinstance(schema, dict) and schema.get("type") == "record":
        yield at, schema
        for field in schema["fields"]:
            yield f"{at}.{field['name']}", field
            yield from _nodes(field["type"], f"{at}.{field['name']}")
    elif isinstance(schema, dict):
        yield from _nodes(schema.get("items") or schema.get("values") or schema.get("type"), at)
