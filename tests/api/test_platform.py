"""Commands to the whole platform over HTTP: durable in every partition, and for the platform alone."""

import json
from typing import Any

import pytest

from edge.api.directory import BanState
from schemas.refusals import Code
from tests.api.fakes import World, quoted, unanswered

POLICY = "moderation.policy"


def policies(here: World) -> list[dict[str, Any]]:
    """Return what was written, once, having checked that it is in every partition."""
    rows = [(at, record["items"]) for topic, at, record in here.kafka.posted if topic == POLICY]
    partitions = range(here.settings.kafka.partitions)
    first = [items for at, items in rows if at == 0]
    for partition in partitions:
        assert [items for at, items in rows if at == partition] == first
    return [item for items in first for item in items]


async def test_ban_and_unban(here: World) -> None:
    """With the time and the reason; the audit says who did it."""
    client = here.client("platform", "ops")
    answer = await client("PUT", f"/v1/bans/{quoted('a/b')}", {"seconds": 60, "reason": "r"})
    assert answer.status == 200
    assert (await client("DELETE", f"/v1/bans/{quoted('a/b')}")).status == 200
    ban, unban = policies(here)
    assert (ban["type"], ban["command"]["target"], ban["command"]["seconds"]) == ("ban", "a/b", 60)
    assert (unban["type"], unban["command"]["target"]) == ("unban", "a/b")
    assert ban["id"] == answer.json["id"]
    audits = [record for topic, _, record in here.kafka.posted if topic == "moderation.audit"]
    assert [(each["actor_id"], each["action"]) for each in audits] == [("ops", "ban"), ("ops", "unban")]


async def test_word_lists(here: World) -> None:
    """In the place of the one of that name; an empty one ends it."""
    client = here.client("platform")
    assert (await client("PUT", "/v1/words/en", {"words": ["banana", "# why", "*part*"]})).status == 200
    assert (await client("PUT", "/v1/words/en", {"words": []})).status == 200
    first, second = (json.loads(item["command"]["settings"]) for item in policies(here))
    assert sorted(first["rules"]) == ["*part*", "banana"]
    assert second["rules"] == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("words/en", {"words": ["x"]}),
        ("words/en", {"words": "x"}),
        ("words/EN!", {"words": []}),
        ("bans/bo", {"kind": "shadow"}),
        ("bans/bo", {"seconds": -1}),
    ],
)
async def test_bad_input(here: World, path: str, body: Any) -> None:
    """Told, with the rule that is wrong, and nothing written."""
    answer = await here.client("platform")("PUT", f"/v1/{path}", body)
    assert (answer.status, answer.problem["code"]) == (422, Code.INVALID)
    assert policies(here) == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "bans", None),
        ("GET", "bans/bo", None),
        ("PUT", "bans/bo", None),
        ("DELETE", "bans/bo", None),
        ("PUT", "words/en", {"words": []}),
    ],
)
async def test_for_the_platform_alone(here: World, method: str, path: str, body: Any) -> None:
    """Neither creators nor guests."""
    assert (await here.client("creator")(method, f"/v1/{path}", body)).problem["code"] == Code.NOT_MODERATOR
    assert (await here.client(None)(method, f"/v1/{path}", body)).status == 401
    assert policies(here) == []


async def test_unknown_outcome(here: World) -> None:
    """Some partition did not confirm: say it again, under the same id."""
    with unanswered(here.kafka):
        answer = await here.client("platform")("PUT", "/v1/bans/bo")
    assert (answer.status, answer.problem["code"]) == (503, Code.UNKNOWN)
    assert answer.problem["id"]


async def test_bans_are_listed(here: World) -> None:
    """As those of a stream are."""
    here.directory.banned["bo"] = BanState("bo", "ban", None, "r")
    client = here.client("platform")
    assert (await client("GET", "/v1/bans")).json["bans"][0]["user"] == "bo"
    assert (await client("GET", "/v1/bans/bo")).json["reason"] == "r"
    assert (await client("GET", "/v1/bans/nobody")).problem["status"] == 404
