"""The read side of the Schema Registry protocol, as its clients use it."""

import io
import json
import struct

import fastavro
import pytest

from schemas.codec import codec, latest, releases
from schemas.topics import ALL, FLAT
from tests.api.fakes import World

SUBJECT = "comments.flat-value"


async def test_every_topic_has_its_subject(here: World) -> None:
    """One a topic that has records, with at least one version."""
    client = here.client(None)
    subjects = (await client("GET", "/subjects")).json
    assert subjects == sorted(f"{topic.name}-value" for topic in ALL if topic.record)
    for subject in subjects:
        assert (await client("GET", f"/subjects/{subject}/versions")).json[0] == 1


async def test_a_record_is_decoded_by_its_id_alone(here: World) -> None:
    """The id in the frame leads to the schema that it was written with."""
    flat = dict.fromkeys(("sticker", "command"))
    flat |= dict.fromkeys(("stream_id", "epoch", "type", "id", "user_id", "user_name", "role", "text"), "x")
    framed = codec("flat").encode(flat | {"seq": 7, "at": 9})
    magic, schema_id = struct.unpack(">bI", framed[:5])
    assert magic == 0
    answer = await here.client(None)("GET", f"/schemas/ids/{schema_id}")
    assert answer.headers["content-type"] == "application/vnd.schemaregistry.v1+json"
    schema = fastavro.parse_schema(json.loads(answer.json["schema"]))
    assert fastavro.schemaless_reader(io.BytesIO(framed[5:]), schema, None)["seq"] == 7


@pytest.mark.parametrize("version", ["1", "latest", "-1"])
async def test_versions(here: World, version: str) -> None:
    """By number, or the last one."""
    release = latest(FLAT.record)
    found = (await here.client(None)("GET", f"/subjects/{SUBJECT}/versions/{version}")).json
    assert found == {
        "subject": SUBJECT,
        "version": release.version,
        "id": release.id,
        "schemaType": "AVRO",
        "schema": release.text,
    }


async def test_where_a_schema_is_used(here: World) -> None:
    """Several topics may have one."""
    client = here.client(None)
    release = latest("position")
    subjects = (await client("GET", f"/schemas/ids/{release.id}/subjects")).json
    assert subjects == [
        "analyse-streams-changelog-value",
        "sample-fanout-positions-changelog-value",
        "sequence-positions-changelog-value",
    ]
    versions = (await client("GET", f"/schemas/ids/{release.id}/versions")).json
    assert versions == [{"subject": subject, "version": 1} for subject in subjects]
    assert (await client("GET", f"/schemas/ids/{release.id}/schema")).json == json.loads(release.text)
    alone = await client("GET", f"/subjects/{subjects[0]}/versions/1/schema")
    assert alone.json == json.loads(release.text)


async def test_a_client_that_registers_what_is_there_gets_its_id(here: World) -> None:
    """Whatever its spacing; what is not there is not taken."""
    client, release = here.client(None), latest(FLAT.record)
    spaced = {"schema": json.dumps(json.loads(release.text), indent=3), "schemaType": "AVRO"}
    assert (await client("POST", f"/subjects/{SUBJECT}/versions", spaced)).json == {"id": release.id}
    assert (await client("POST", f"/subjects/{SUBJECT}", spaced)).json["version"] == release.version
    answer = await client("POST", f"/subjects/{SUBJECT}/versions", {"schema": '"string"'})
    assert (answer.status, answer.json["error_code"]) == (422, 42205)
    answer = await client("POST", f"/subjects/{SUBJECT}", {"schema": '"string"'})
    assert (answer.status, answer.json["error_code"]) == (404, 40403)
    for nonsense in ("{", '{"type": "nope"}', "3", "[" * 5000 + "]" * 5000):
        answer = await client("POST", f"/subjects/{SUBJECT}", {"schema": nonsense})
        assert (answer.status, answer.json["error_code"]) == (422, 42201)


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/subjects/nope/versions", 404, 40401),
        ("/subjects/nope/versions/1", 404, 40401),
        (f"/subjects/{SUBJECT}/versions/99", 404, 40402),
        (f"/subjects/{SUBJECT}/versions/x", 422, 42202),
        (f"/subjects/{SUBJECT}/versions/0", 422, 42202),
        ("/schemas/ids/999", 404, 40403),
        ("/schemas/ids/x", 404, 40403),
        ("/config/nope", 404, 40401),
    ],
)
async def test_errors_have_the_registrys_shape(here: World, path: str, status: int, code: int) -> None:
    """Its clients read ``error_code`` and ``message``."""
    answer = await here.client(None)("GET", path)
    assert (answer.status, answer.json["error_code"]) == (status, code)
    assert answer.json["message"]


async def test_config_and_mode(here: World) -> None:
    """What a client may ask first."""
    client = here.client(None)
    assert (await client("GET", "/config")).json == {"compatibilityLevel": "FULL_TRANSITIVE"}
    assert (await client("GET", f"/config/{SUBJECT}")).status == 200
    assert (await client("GET", "/mode")).json == {"mode": "READONLY"}
    assert (await client("GET", "/schemas/types")).json == ["AVRO"]
    assert len(releases()) >= 14
