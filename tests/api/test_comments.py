"""Comments over HTTP: posted, retried, refused, read back, taken away."""

import uuid
from pathlib import Path

import pytest

from edge.checks import Ban, Facts, Spent
from schemas.refusals import Code
from tests.api.fakes import World, unanswered, world
from tests.api.records import AT, comments, event, id_of, segment

PATH = "/v1/streams/demo/comments"


async def test_post_is_answered_with_the_id(here: World) -> None:
    """The client's id is the comment's, in lower case, and the author is the token's."""
    id_ = str(uuid.uuid4())
    answer = await here.client()("POST", PATH, {"text": " hi ", "id": id_.upper()})
    assert (answer.status, answer.json) == (201, {"id": id_})
    [item] = here.kafka.items
    assert (item["id"], item["text"], item["user_id"], item["role"]) == (id_, "hi", "ana", "viewer")


async def test_an_id_is_made_where_none_is_given(here: World) -> None:
    """It is a UUIDv7, which the duplicate window can date."""
    answer = await here.client()("POST", PATH, {"text": "hi"})
    assert uuid.UUID(answer.json["id"]).version == 7


async def test_a_sticker_needs_no_text(here: World) -> None:
    """Its name is enough."""
    assert (await here.client()("POST", PATH, {"sticker": "wave"})).status == 201
    assert here.kafka.items[0]["sticker"] == "wave"


async def test_idempotency_key_is_the_id(here: World) -> None:
    """A UUID, quoted or not, is the id; any other key always stands for the same one, a user."""
    key = str(uuid.uuid4())
    ids = []
    for user, header in (
        ("ana", key),
        ("ana", f'"{key}"'),
        ("ana", "order-1"),
        ("ana", "order-1"),
        ("bo", "order-1"),
    ):
        answer = await here.client(user=user)(
            "POST", PATH, {"text": "x"}, headers={"idempotency-key": header}
        )
        ids.append(answer.json["id"])
    assert ids[0] == ids[1] == key
    assert ids[2] == ids[3] != ids[4]


async def test_id_and_key_must_agree(here: World) -> None:
    """Two different ids for one comment are a mistake."""
    headers = {"idempotency-key": str(uuid.uuid4())}
    answer = await here.client()("POST", PATH, {"text": "x", "id": str(uuid.uuid4())}, headers=headers)
    assert answer.problem["code"] == Code.INVALID


async def test_unknown_outcome_says_to_retry_with_the_same_id(here: World) -> None:
    """503 with the code, and with the id although the client gave none."""
    with unanswered(here.kafka):
        answer = await here.client()("POST", PATH, {"text": "x"})
    assert answer.status == 503
    assert answer.problem["code"] == Code.UNKNOWN
    assert "same id" in answer.problem["detail"]
    assert answer.headers["retry-after"] == "1"
    assert answer.problem["id"] == here.kafka.items[0]["id"]


@pytest.mark.parametrize(
    ("facts", "status", "code", "retry_after"),
    [
        (Facts(ban=Ban("ban", None, "spam")), 403, Code.BANNED, None),
        (Facts(state="ended"), 409, Code.STREAM_ENDED, None),
        (Facts(spent=Spent(Code.RATE_LIMITED, 1.2)), 429, Code.RATE_LIMITED, "2"),
        (Facts(spent=Spent(Code.SLOW_MODE, 7.0)), 429, Code.SLOW_MODE, "7"),
    ],
)
async def test_refusals(here: World, facts: Facts, status: int, code: Code, retry_after: str | None) -> None:
    """Each has its status, its code, and the wait where there is one; nothing reaches the log."""
    here.facts.known = facts
    answer = await here.client()("POST", PATH, {"text": "x"})
    assert (answer.status, answer.problem["code"]) == (status, code)
    assert answer.problem["type"] == f"urn:livecomments:problem:{code.key}"
    assert answer.headers.get("retry-after") == retry_after
    assert here.kafka.items == []


@pytest.mark.parametrize("body", [{}, {"text": ""}, {"text": "x" * 501}, {"text": "a\x00b"}, {"text": 1}])
async def test_bad_comments(here: World, body: dict[str, object]) -> None:
    """What cannot be shown is refused with the reason."""
    answer = await here.client()("POST", PATH, body)
    assert (answer.status, answer.problem["code"]) == (422, Code.INVALID)


async def test_who_may_post(here: World) -> None:
    """Nobody without a token, and nobody with another stream's."""
    guest = await here.client(None)("POST", PATH, {"text": "x"})
    assert guest.status == 401
    assert guest.headers["www-authenticate"].startswith("Bearer")
    assert (await here.client(stream="other")("POST", PATH, {"text": "x"})).problem["status"] == 403


async def test_read_back_in_pages(here: World) -> None:
    """Pages join up by ``next_seq``, which is null at the end."""
    here.opened()
    await here.store(comments(1, 7))
    client, seqs, at = here.client(None), [], 1
    while at is not None:
        page = (await client("GET", f"{PATH}?from_seq={at}&limit=3")).json
        assert page["epoch"] == "test-0"
        seqs += [each["seq"] for each in page["comments"]]
        at = page["next_seq"]
    assert seqs == list(range(1, 8))
    first = (await client("GET", PATH)).json["comments"][0]
    assert first == {
        "type": "comment",
        "seq": 1,
        "id": id_of(1),
        "user": {"id": "ana", "name": "Ana", "role": "viewer"},
        "text": "comment 1",
        "at": AT + 1000,
    }


async def test_what_the_archive_does_not_have_comes_from_the_window(here: World) -> None:
    """Comments of the last second are there, and a delete among them hides what the archive shows."""
    await here.store(comments(1, 3))
    here.directory.push(comments(1, 3), comments(4, 5), segment([event(6, "delete", id_of(2))]))
    page = (await here.client()("GET", PATH)).json
    assert [each["seq"] for each in page["comments"]] == [1, 3, 4, 5]
    assert (page["to_seq"], page["next_seq"], page["omitted"]) == (6, None, 0)


async def test_archive_too_far_behind_shows_nothing(here: World) -> None:
    """Between the archive's end and the window a delete may stand: 503, and no comment."""
    await here.store(comments(1, 3))
    here.directory.push(comments(10, 12))
    answer = await here.client()("GET", PATH)
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert b"comment 1" not in answer.body


async def test_redis_away_shows_nothing(here: World) -> None:
    """Whether the archive is behind is not known then."""
    await here.store(comments(1, 3))
    here.directory.away = True
    assert (await here.client()("GET", PATH)).problem["status"] == 503


async def test_a_stream_without_comments_is_empty(here: World) -> None:
    """It is there, and nothing has happened on it."""
    here.opened()
    page = (await here.client()("GET", PATH)).json
    assert page == {
        "epoch": None, "from_seq": 1, "to_seq": 0, "comments": [], "next_seq": None, "omitted": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("from_seq=5&to_seq=2", 422),
        ("from_seq=1&at=5", 422),
        ("limit=0", 422),
        ("limit=501", 422),
        ("from_seq=-1", 422),
        ("from_seq=99999999999999999999", 422),
        ("page=2", 422),
        ("epoch=nope", 404),
    ],
)
async def test_bad_ranges(here: World, query: str, status: int) -> None:
    """Reversed, too large, unknown: told, and nothing half-done."""
    await here.store(comments(1, 3))
    assert (await here.client()("GET", f"{PATH}?{query}")).problem["status"] == status


async def test_unknown_stream(here: World) -> None:
    """Neither opened nor written to."""
    assert (await here.client()("GET", PATH)).problem["status"] == 404


async def test_who_may_read(tmp_path: Path) -> None:
    """A token of another stream may not; a guest only where guests are let in."""
    async with world(tmp_path, auth={"guests": False}) as closed:
        assert (await closed.client(None)("GET", PATH)).problem["status"] == 401
        assert (await closed.client(stream="other")("GET", PATH)).problem["status"] == 403


async def test_delete_is_a_command(here: World) -> None:
    """With the id in lower case, as it is in the log; for moderators."""
    path = f"{PATH}/ABCDEF00-0000-4000-8000-00000000ABCD"
    assert (await here.client()("DELETE", path)).problem["code"] == Code.NOT_MODERATOR
    answer = await here.client("creator", "carl")("DELETE", path)
    assert answer.status == 200
    [item] = here.kafka.items
    assert (item["type"], item["id"]) == ("delete", answer.json["id"])
    assert item["command"]["target"] == path.rpartition("/")[2].lower()
    assert (await here.client("creator", "carl")("DELETE", f"{PATH}/nope")).problem["status"] == 422
