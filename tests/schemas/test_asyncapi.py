"""The AsyncAPI document against the specification's own JSON Schema, and against the topics."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from livecomments.topics import app
from schemas.asyncapi import document
from schemas.codec import latest
from schemas.topics import ALL, FLAT

SPECIFICATION = Path(__file__).parents[2] / "web/node_modules/@asyncapi/specs/schemas/3.0.0-without-$id.json"


@pytest.fixture(scope="module")
def validator() -> Any:
    """Return a check by the specification's schema, which npm installs beside the page's tools."""
    if not SPECIFICATION.exists():
        pytest.skip("web/node_modules is not installed: python -m livecomments.web")
    schema = json.loads(SPECIFICATION.read_text(encoding="utf-8"))
    return jsonschema.Draft7Validator(schema)


@pytest.mark.parametrize("where", [(), ("broker:9092", "http://api:8001")])
def test_it_is_valid(validator: Any, where: tuple[str, ...]) -> None:
    """With a server named and without."""
    assert [error.message for error in validator.iter_errors(document(8, *where))] == []


def test_the_check_would_notice(validator: Any) -> None:
    """A document that is none fails."""
    found = document(8)
    assert list(validator.iter_errors(found | {"channels": {"x": {"address": 5}}}))
    assert list(validator.iter_errors(found | {"asyncapi": "4.0.0"}))


def test_references_lead_somewhere() -> None:
    """Each ``$ref`` is a place in the document."""
    found = document(8)

    def look(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                place: Any = found
                for step in node["$ref"].removeprefix("#/").split("/"):
                    place = place[step]
            for each in node.values():
                look(each)

    look(found)


def test_every_topic_is_there() -> None:
    """With its key, its partitions, how long it keeps, and the schema that is written."""
    found = document(5)
    assert list(found["channels"]) == [topic.name for topic in ALL if topic.record]
    flat = found["channels"][FLAT.name]
    assert flat["bindings"]["kafka"]["partitions"] == 5
    assert flat["bindings"]["kafka"]["topicConfiguration"]["retention.ms"] == FLAT.retention_ms
    assert flat["messages"]["flat"]["bindings"]["kafka"]["key"]["description"] == "The stream's id."
    assert found["components"]["schemas"]["flat"]["schema"] == json.loads(latest("flat").text)


def test_the_verb_prints_it() -> None:
    """With the broker and the registry of the stack."""
    done = CliRunner().invoke(app, ["asyncapi", "--port-base", "21000"])
    assert done.exit_code == 0
    printed = json.loads(done.stdout)
    assert printed["servers"]["kafka"]["host"].endswith(":21002")
    assert {name: printed[name] for name in ("channels", "operations")} == {
        name: document(8)[name] for name in ("channels", "operations")
    }
