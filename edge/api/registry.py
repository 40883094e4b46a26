"""The read side of Confluent's Schema Registry protocol, so that its clients decode our topics as they are.

A topic's value has the subject ``<topic>-value``. Schemas are released with the software: a client that
registers one that is there already gets its id, and one that is not is told that this is read-only. Errors
have the registry's own shape and codes, which its clients understand.
"""

import json
from functools import cache
from typing import Annotated, Any

import fastavro
from fastapi import APIRouter, Path
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from schemas.codec import Release, latest, releases
from schemas.topics import ALL

COMPATIBILITY = "FULL_TRANSITIVE"
"""What the tests hold every release against."""
SUFFIX = "-value"


class RegistryResponse(JSONResponse):
    """JSON under the registry's own media type."""

    media_type = "application/vnd.schemaregistry.v1+json"


router = APIRouter(tags=["schema registry"], default_response_class=RegistryResponse)

Subject = Annotated[str, Path(description="`<topic>-value`")]
SchemaId = Annotated[str, Path(description="A number.")]


class _Schema(BaseModel):
    """As clients send it; what else they send is not needed."""

    schema_: str

    model_config = {"alias_generator": lambda name: name.rstrip("_"), "extra": "ignore"}


class RegistryError(Exception):
    """An answer of the registry that is not what was asked for."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code

    def response(self) -> RegistryResponse:
        """Return it as the registry's clients expect it."""
        body = {"error_code": self.code, "message": str(self)}
        return RegistryResponse(body, int(str(self.code)[:3]))


@router.get("/subjects")
async def list_subjects() -> RegistryResponse:
    """List the subjects: one a topic."""
    return _answer(sorted(_subjects()))


@router.get("/subjects/{subject}/versions")
async def list_versions(subject: Subject) -> RegistryResponse:
    """List a subject's versions."""
    return _answer([release.version for release in _of(subject)])


@router.get("/subjects/{subject}/versions/{version}")
async def get_version(subject: Subject, version: str) -> RegistryResponse:
    """Return a version of a subject: its number, or ``latest``."""
    return _answer(_described(subject, _version(subject, version)))


@router.get("/subjects/{subject}/versions/{version}/schema")
async def get_version_schema(subject: Subject, version: str) -> RegistryResponse:
    """Return a version's schema alone."""
    return _answer(json.loads(_version(subject, version).text))


@router.post("/subjects/{subject}")
async def look_up(subject: Subject, body: _Schema) -> RegistryResponse:
    """Return the version of a subject that is this schema."""
    found = _same(_of(subject), body.schema_)
    if found is None:
        raise RegistryError(40403, "Schema not found")
    return _answer(_described(subject, found))


@router.post("/subjects/{subject}/versions")
async def register(subject: Subject, body: _Schema) -> RegistryResponse:
    """Return the id of a schema that is released already; nothing new is taken here."""
    found = _same(_subjects().get(subject, ()), body.schema_)
    if found is None:
        raise RegistryError(42205, f"Subject {subject} is in read-only mode: schemas come with a release")
    return _answer({"id": found.id})


@router.get("/schemas/ids/{schema_id}")
async def get_schema(schema_id: SchemaId) -> RegistryResponse:
    """Return the schema that records are framed with under an id."""
    return _answer({"schema": _by_id(schema_id).text})


@router.get("/schemas/ids/{schema_id}/schema")
async def get_schema_alone(schema_id: SchemaId) -> RegistryResponse:
    """Return it without a frame."""
    return _answer(json.loads(_by_id(schema_id).text))


@router.get("/schemas/ids/{schema_id}/subjects")
async def list_subjects_of_id(schema_id: SchemaId) -> RegistryResponse:
    """List the subjects that have the schema."""
    return _answer([each["subject"] for each in _places(schema_id)])


@router.get("/schemas/ids/{schema_id}/versions")
async def list_versions_of_id(schema_id: SchemaId) -> RegistryResponse:
    """List the subjects and versions that have the schema."""
    return _answer(_places(schema_id))


@router.get("/schemas/types")
async def list_types() -> RegistryResponse:
    """List the schema languages."""
    return _answer(["AVRO"])


@router.get("/config")
async def get_config() -> RegistryResponse:
    """Say which compatibility releases keep."""
    return _answer({"compatibilityLevel": COMPATIBILITY})


@router.get("/config/{subject}")
async def get_subject_config(subject: Subject) -> RegistryResponse:
    """Say it of one subject."""
    _of(subject)
    return _answer({"compatibilityLevel": COMPATIBILITY})


@router.get("/mode")
async def get_mode() -> RegistryResponse:
    """Say that this is read-only."""
    return _answer({"mode": "READONLY"})


@router.get("/mode/{subject}")
async def get_subject_mode(subject: Subject) -> RegistryResponse:
    """Say it of one subject."""
    _of(subject)
    return _answer({"mode": "READONLY"})


@router.get("/contexts")
async def list_contexts() -> RegistryResponse:
    """List the contexts: the default one alone."""
    return _answer(["."])


@cache
def _subjects() -> dict[str, tuple[Release, ...]]:
    """Return the releases of each subject, by version."""
    return {
        topic.name + SUFFIX: tuple(row for row in releases() if row.record == topic.record)
        for topic in ALL
        if topic.record
    }


def _of(subject: str) -> tuple[Release, ...]:
    found = _subjects().get(subject)
    if not found:
        raise RegistryError(40401, f"Subject '{subject}' not found.")
    return found


def _version(subject: str, version: str) -> Release:
    found = _of(subject)
    if version in {"latest", "-1"}:
        return latest(found[0].record)
    if not version.isdecimal() or not 0 < int(version[:20]) < 2**31:
        raise RegistryError(
            42202,
            f"The specified version '{version[:40]}' is not a valid version id. Allowed values are between "
            '[1, 2^31-1] and the string "latest"',
        )
    for release in found:
        if release.version == int(version):
            return release
    raise RegistryError(40402, f"Version {version} not found.")


def _by_id(schema_id: str) -> Release:
    for release in releases():
        if str(release.id) == schema_id:
            return release
    raise RegistryError(40403, f"Schema {schema_id[:20]} not found")


def _places(schema_id: str) -> list[dict[str, Any]]:
    release = _by_id(schema_id)
    return [
        {"subject": subject, "version": release.version}
        for subject, found in sorted(_subjects().items())
        if release in found
    ]


def _described(subject: str, release: Release) -> dict[str, Any]:
    return {
        "subject": subject,
        "version": release.version,
        "id": release.id,
        "schemaType": "AVRO",
        "schema": release.text,
    }


def _same(found: tuple[Release, ...], text: str) -> Release | None:
    """Return the release that is the same schema, whatever its spacing and documentation."""
    try:
        wanted = _canonical(text)
    except (ValueError, TypeError, KeyError, RecursionError, fastavro.schema.SchemaParseException) as error:
        raise RegistryError(
            42201, f"Input schema is not a valid Avro schema: {type(error).__name__}"
        ) from None
    return next((release for release in found if _canonical(release.text) == wanted), None)


def _canonical(text: str) -> str:
    canonical: str = fastavro.schema.to_parsing_canonical_form(json.loads(text))
    return canonical


def _answer(value: Any) -> RegistryResponse:
    return RegistryResponse(value)
