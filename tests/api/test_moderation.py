"""Moderation over HTTP: each route is a command in the log; bans and settings are shown to moderators."""

import asyncio
import json
import uuid
from typing import Any

import pytest

from edge.api import quoting
from edge.api.auditlog import AuditPage
from edge.api.directory import BanState
from edge.checks import Facts
from schemas.refusals import Code
from tests.api.fakes import World, quoted, unanswered
from tests.api.records import AT, comments, event, id_of, segment

STREAM = "/v1/streams/demo"
ID = id_of(1)


@pytest.mark.parametrize(
    ("method", "path", "body", "type_", "arguments"),
    [
        ("POST", "clear", {"user": "bo", "reason": "why"}, "clear", {"target": "bo", "reason": "why"}),
        ("POST", "unpin", None, "unpin", {}),
        ("POST", "unpin", {}, "unpin", {}),
        ("POST", "slow", {"seconds": 5}, "slow", {"seconds": 5}),
        ("POST", "hold", {"user": "bo", "seconds": 5}, "hold", {"target": "bo", "seconds": 5}),
        ("PUT", "bans/bo", {"kind": "hold"}, "hold", {"target": "bo"}),
        ("POST", "approve", {"comment_id": ID}, "approve", {"target": ID}),
        ("POST", "end", None, "end", {}),
        ("POST", "end", {"reason": "over"}, "end", {"reason": "over"}),
        ("PUT", "bans/bo", None, "ban", {"target": "bo"}),
        ("PUT", "bans/bo", {"seconds": 9}, "ban", {"target": "bo", "seconds": 9}),
        ("PUT", "bans/bo", {"reason": "r"}, "ban", {"target": "bo", "reason": "r"}),
        ("PUT", "bans/bo", {"kind": "timeout", "seconds": 9}, "timeout", {"target": "bo", "seconds": 9}),
        ("PUT", "bans/bo", {"kind": "shadow"}, "shadow", {"target": "bo"}),
        ("DELETE", "bans/bo", None, "unban", {"target": "bo"}),
        ("DELETE", "bans/a%2Fb%20c", None, "unban", {"target": "a/b c"}),
    ],
)  # fmt: skip
async def test_commands(  # noqa: PLR0917 - a table
    here: World, method: str, path: str, body: Any, type_: str, arguments: dict[str, Any]
) -> None:
    """Each route writes its command, and answers with its id when it is durable."""
    answer = await here.client("moderator", "mo")(method, f"{STREAM}/{path}", body)
    assert answer.status == 200, answer
    [item] = here.kafka.items
    assert (item["type"], item["id"], item["role"]) == (type_, answer.json["id"], "moderator")
    nothing = dict.fromkeys(("target", "seconds", "reason", "settings", "comment"))
    assert item["command"] == nothing | arguments


QUOTED = {"seq": 1, "at": AT + 1000, "id": ID, "user_id": "ana", "user_name": "Ana", "role": "viewer",
          "text": "comment 1", "sticker": None}  # fmt: skip


@pytest.mark.parametrize("type_", ["pin", "hold"])
@pytest.mark.parametrize("where", [{}, {"seq": 1}])
async def test_a_command_about_a_shown_comment_quotes_it(
    here: World, type_: str, where: dict[str, int]
) -> None:
    """So that it can be shown to those who did not get it, or kept to be approved."""
    here.directory.push(comments(1, 3))
    answer = await here.client("creator")("POST", f"{STREAM}/{type_}", {"comment_id": ID} | where)
    assert answer.status == 200, answer
    [item] = here.kafka.items
    assert item["type"] == type_
    assert item["command"] == {"target": ID, "comment": QUOTED} | dict.fromkeys(
        ("seconds", "reason", "settings")
    )
    assert here.directory.took == ([("demo", "delete", ID)] if type_ == "hold" else [])


@pytest.mark.parametrize("type_", ["pin", "hold"])
async def test_a_comment_that_is_not_shown_is_not_pinned_or_held(
    here: World, type_: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unknown, deleted, another's number: 404, and no command; who may not moderate learns nothing of it."""
    monkeypatch.setattr(quoting, "TRY_SECONDS", 0.0)
    here.directory.push(comments(1, 3), segment([event(4, "delete", id_of(2))]))
    client = here.client("creator")
    for body in ({"comment_id": id_of(9)}, {"comment_id": id_of(2)}, {"comment_id": ID, "seq": 3}):
        assert (await client("POST", f"{STREAM}/{type_}", body)).status == 404
    viewer = here.client("viewer", "vi")
    here.facts.known = Facts(creator="ana")
    for id_ in (ID, id_of(9)):
        answer = await viewer("POST", f"{STREAM}/{type_}", {"comment_id": id_})
        assert (answer.status, answer.problem["code"]) == (403, Code.NOT_MODERATOR)
    assert here.kafka.items == []


async def test_holding_is_said_again_when_it_is_done(here: World) -> None:
    """A retry meets the comment in the queue; whom or what to hold is said once."""
    here.directory.queue.append({"id": ID})
    client = here.client("creator")
    assert (await client("POST", f"{STREAM}/hold", {"comment_id": ID})).status == 200
    for body in ({}, {"comment_id": ID, "user": "bo"}):
        assert (await client("POST", f"{STREAM}/hold", body)).status == 422
    assert here.kafka.items == []


async def test_ban_that_clears_is_two_commands(here: World) -> None:
    """The ban first; a retry under the same key has the same two ids."""
    key = str(uuid.uuid4())
    for _ in range(2):
        headers = {"idempotency-key": key}
        answer = await here.client("creator")("PUT", f"{STREAM}/bans/bo", {"clear": True}, headers=headers)
        assert answer.json == {"id": key}
    assert [item["type"] for item in here.kafka.items] == ["ban", "clear", "ban", "clear"]
    first, second = here.kafka.items[:2], here.kafka.items[2:]
    assert [item["id"] for item in first] == [item["id"] for item in second]
    assert first[0]["id"] != first[1]["id"]


async def test_reads_know_of_deletes_and_clears_at_once(here: World) -> None:
    """When they are durable, not when the log has come through; Redis being away is no reason to fail."""
    client = here.client("creator")
    await client("DELETE", f"{STREAM}/comments/{ID}")
    await client("PUT", f"{STREAM}/bans/bo", {"clear": True})
    assert here.directory.took == [("demo", "delete", ID), ("demo", "clear", "bo")]
    with unanswered(here.kafka):
        await client("DELETE", f"{STREAM}/comments/{id_of(2)}")
    assert len(here.directory.took) == 2
    here.directory.away = True
    assert (await client("DELETE", f"{STREAM}/comments/{ID}")).status == 200


async def test_unknown_outcome_has_the_id_to_retry_with(here: World) -> None:
    """Also where the client gave none."""
    with unanswered(here.kafka):
        answer = await here.client("creator")("POST", f"{STREAM}/end")
    assert (answer.status, answer.problem["code"]) == (503, Code.UNKNOWN)
    assert answer.problem["id"] == here.kafka.items[0]["id"]


async def test_settings_that_are_named_change(here: World) -> None:
    """Those that are not are not in the command."""
    body = {"words": ["one", "two words"], "slow_mode_seconds": 0}
    assert (await here.client("creator")("PUT", f"{STREAM}/settings", body)).status == 200
    assert json.loads(here.kafka.items[0]["command"]["settings"]) == body


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("settings", {}),
        ("settings", {"words": ["x"]}),
        ("settings", {"words": "word"}),
        ("settings", {"links": "sometimes"}),
        ("settings", {"words": ["/(a+)+(?=b)/"]}),
        ("settings", {"wrods": ["word"]}),
        ("settings", {"slow_mode_seconds": -1}),
        ("settings", {"slow_mode_seconds": True}),
        ("bans/bo", {"kind": "timeout"}),
        ("bans/bo", {"kind": "exile"}),
        ("bans/bo", {"seconds": -1}),
        ("bans/bo", {"reason": "x" * 501}),
        ("bans/a%00b", {}),
        ("bans/" + "x" * 129, {}),
    ],
)
async def test_bad_input_is_refused_with_the_reason(here: World, path: str, body: Any) -> None:
    """And nothing reaches the log."""
    answer = await here.client("creator")("PUT", f"{STREAM}/{path}", body)
    assert (answer.status, answer.problem["code"]) == (422, Code.INVALID)
    assert here.kafka.items == []


async def test_who_may_moderate(here: World) -> None:
    """Not viewers, not moderators of other streams; those whom the creator appointed."""
    path = f"{STREAM}/end"
    assert (await here.client(None)("POST", path)).status == 401
    assert (await here.client()("POST", path)).problem["code"] == Code.NOT_MODERATOR
    assert (await here.client("moderator", stream="other")("POST", path)).status == 403
    assert (await here.client("moderator", stream=None)("POST", path)).status == 403
    here.facts.known = Facts(creator="carl", moderators=frozenset({"ana"}))
    assert (await here.client()("POST", path)).status == 200


async def test_the_creator_is_not_banned(here: World) -> None:
    """Not by a moderator, and not by themselves."""
    here.facts.known = Facts(creator="carl")
    answer = await here.client("moderator")("PUT", f"{STREAM}/bans/carl")
    assert answer.problem["code"] == Code.INVALID
    assert "creator" in answer.problem["detail"]


@pytest.mark.parametrize("path", ["bans", "bans/bo", "settings", "audit", "held"])
async def test_reading_is_for_moderators(here: World, path: str) -> None:
    """By their token, or because they are the creator or were appointed."""
    here.opened(moderators=frozenset({"mo"}), settings={"words": ["w"]})
    here.directory.banned["bo"] = BanState("bo", "ban", None, None)
    assert (await here.client(None)("GET", f"{STREAM}/{path}")).status == 401
    assert (await here.client()("GET", f"{STREAM}/{path}")).problem["code"] == Code.NOT_MODERATOR
    assert (await here.client("platform", stream="other")("GET", f"{STREAM}/{path}")).status == 200
    assert (await here.client(user="mo")("GET", f"{STREAM}/{path}")).status == 200
    assert (await here.client(user="carl")("GET", f"{STREAM}/{path}")).status == 200
    assert (await here.client("creator", stream="other")("GET", f"{STREAM}/{path}")).status == 403


async def test_bans_in_pages(here: World) -> None:
    """Every ban is on a page."""
    for number in range(5):
        user = f"u/{number}"
        here.directory.banned[user] = BanState(user, "timeout", AT, "r")
    client, found, more = here.client("moderator"), [], ""
    while True:
        page = (await client("GET", f"{STREAM}/bans?limit=2{more}")).json
        found += page["bans"]
        if page["next"] is None:
            break
        more = f"&cursor={page['next']}"
    assert [each["user"] for each in found] == [f"u/{number}" for number in range(5)]
    one = (await client("GET", f"{STREAM}/bans/{quoted('u/3')}")).json
    assert one == {"user": "u/3", "kind": "timeout", "until": AT, "reason": "r"}
    assert (await client("GET", f"{STREAM}/bans/nobody")).problem["status"] == 404
    assert (await client("GET", f"{STREAM}/bans?cursor=x")).problem["status"] == 422


async def test_settings_are_shown_whole(here: World) -> None:
    """To those who may change them."""
    here.opened(title="T", moderators=frozenset({"b", "a"}), settings={"words": ["w"], "new": 1})
    found = (await here.client("moderator")("GET", f"{STREAM}/settings")).json
    assert found == {"title": "T", "moderators": ["a", "b"], "settings": {"words": ["w"], "new": 1}}


async def test_audit_in_pages(here: World) -> None:
    """Who did what, and what came of it; the rest is asked for with what the page says."""
    command = {"target": "bo", "seconds": 9, "reason": "r", "settings": None}
    record = {
        "at": AT, "actor_id": "mo", "actor_role": "moderator", "action": "ban", "id": ID,
        "command": command, "outcome": "applied", "refusal": None,
    }  # fmt: skip
    here.audit.page = AuditPage([record, record | {"command": None, "outcome": "refused"}], 17)
    page = (await here.client("creator")("GET", f"{STREAM}/audit?before=99&limit=2")).json
    assert here.audit.asked == [("demo", 99, 2)]
    assert page["next"] == 17
    assert page["entries"][0] == {
        "at": AT, "actor": "mo", "role": "moderator", "action": "ban", "id": ID, "target": "bo",
        "seconds": 9, "reason": "r", "settings": None, "outcome": "applied", "refusal": None,
    }  # fmt: skip
    assert page["entries"][1]["target"] is None


async def test_held_comments_are_shown_to_moderators(here: World) -> None:
    """With their authors, and what they were held for."""
    row = {
        "id": ID, "user_id": "bo", "user_name": "Bo", "role": "viewer", "text": "hm", "sticker": None,
        "at": AT, "why": "links",
    }  # fmt: skip
    here.directory.queue = [row]
    [held] = (await here.client("creator")("GET", f"{STREAM}/held")).json["held"]
    assert held["user"] == {"id": "bo", "name": "Bo", "role": "viewer"}
    assert (held["id"], held["text"], held["why"], held["at"]) == (ID, "hm", "links", AT)


async def test_refused_commands_are_audited(here: World) -> None:
    """With who, what and why; what is not even a command is not one."""
    await here.client()("POST", f"{STREAM}/end")
    await here.client("creator")("PUT", f"{STREAM}/settings", {"slow_mode_seconds": -5})
    while len(here.kafka.posted) < 2:
        await asyncio.sleep(0.001)
    found = [(record["action"], record["refusal"]) for _, _, record in here.kafka.posted]
    assert found[0] == ("end", "not_moderator")
    assert found[1][0] == "settings"
    assert "slow_mode_seconds" in found[1][1]


async def test_words_are_tried_on_what_was_written(here: World) -> None:
    """Which of the last comments would have been caught, by which rule; deleted ones are not shown."""
    texts = ["fine", "a b4nana", "banana", "gone banana"]
    events = [event(seq, text=text) for seq, text in enumerate(texts, 1)]
    await here.store(segment(events))
    here.directory.push(segment(events), segment([event(5, "delete", id_of(4))]))
    body = {"words": ["banana", "x"]}
    assert (await here.client()("POST", f"{STREAM}/words/try", body)).status == 403
    found = (await here.client("creator")("POST", f"{STREAM}/words/try", body)).json
    assert (found["looked_at"], found["count"]) == (3, 2)
    assert [each["comment"]["seq"] for each in found["caught"]] == [2, 3]
    assert {each["rule"] for each in found["caught"]} == {"banana"}
    assert found["caught"][0]["disguises"] == ["leet"]
    assert [each["at"] for each in found["faults"]] == ["body.words.1"]
    assert here.kafka.items == []
