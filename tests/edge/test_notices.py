"""Personal channels: what became of comments reaches their author, once, and is resumed like any channel."""

import json
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import notices as module
from edge.errors import FeedAwayError
from edge.notices import LINGER_SECONDS, SWEEP_SECONDS, Mailroom
from edge.own import known_shown
from edge.protocol.commands import Position
from edge.ring import Ring, RingEvent
from edge.stats import Stats
from edge.stream import Stream
from schemas.records import Quoted
from schemas.refusals import Code
from tests.edge.fakes import EPOCH, STREAM, MemoryNotices, command, comment, segment, stage, until
from tests.edge.reference import CODEC, Viewer
from tests.edge.test_sdk import ENCODINGS, Seen, client_of
from tests.edge.timing import Clock


class Office:
    """A mailroom with all around it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.hidden: set[str] = set()
        """Ids of comments that were taken away, or of which that is not known."""
        self.feed = MemoryNotices()
        self.mailroom = Mailroom(EPOCH, self.feed, self.shows, self.clock.loop)
        self.feed.sink = self.mailroom

    def shows(self, stream: str, epoch: str, comment: Any) -> bool:
        assert (stream, epoch) == (STREAM, EPOCH)
        return comment["id"] not in self.hidden

    async def come(
        self, user: str, since: Position | None = None
    ) -> tuple[dict[str, Any], list[Any], Viewer]:
        """Subscribe, as `edge.client.Client` does; return the reply and the documents behind it."""
        box = await self.mailroom.open(user, since)
        viewer = Viewer(user, STREAM)
        admission = self.mailroom.admit(box, viewer.come(), since)
        reply = json.loads(CODEC.reply(1, admission.result))["subscribe"]
        publications = [*reply["publications"]]
        publications += [json.loads(push)["push"]["pub"] for push in admission.pushes]
        return reply, publications, viewer


@pytest.fixture
async def office() -> Office:
    return Office()


def ids(publications: list[Any]) -> list[str]:
    return [each["data"]["id"] for each in publications if "id" in each["data"]]


def live(viewer: Viewer) -> list[str]:
    return ids([message["push"]["pub"] for message in viewer.inbox])


async def test_a_notice_reaches_its_author_alone(office: Office) -> None:
    """With the stream, the comment, the code by number and name, and words."""
    _, _, bo = await office.come("bo")
    _, _, ana = await office.come("ana")
    office.feed.push("bo", "c1")
    [message] = bo.inbox
    publication = message["push"]["pub"]
    assert message["push"]["channel"] == "user:bo"
    assert publication["offset"] == 1
    expected = {
        "type": "refused",
        "stream": STREAM,
        "id": "c1",
        "code": 1001,
        "key": "moderated",
        "reason": "no",
    }
    assert publication["data"] | expected == publication["data"]
    assert not ana.inbox


async def test_every_device_of_an_author_is_told(office: Office) -> None:
    """The same comment on each of them."""
    viewers = [(await office.come("bo"))[2] for _ in range(3)]
    office.feed.push("bo", "c1")
    assert [live(viewer) for viewer in viewers] == [["c1"]] * 3


def own(publications: list[Any]) -> list[tuple[int, str | None]]:
    """Return number and text of each comment that was given back."""
    rows = [each["data"] for each in publications if each["data"].get("type") == "own"]
    return [(row["seq"], row.get("comment", {}).get("text")) for row in rows]


async def test_a_comment_that_was_left_out_comes_back_to_its_author(office: Office) -> None:
    """Live and on resume, once, on every device, to nobody else; as a comment event."""
    _, _, bo = await office.come("bo")
    _, _, ana = await office.come("ana")
    for seq in (7, 8, 7):
        office.feed.give_back(comment(seq, user="bo"))
    assert own([message["push"]["pub"] for message in bo.inbox]) == [(7, "comment 7"), (8, "comment 8")]
    assert not ana.inbox
    given = bo.inbox[0]["push"]["pub"]["data"]
    assert (given["stream"], given["epoch"], given["id"]) == (STREAM, EPOCH, comment(7)["id"])
    assert given["comment"] == json.loads(RingEvent(comment(7, user="bo")).body)
    _, publications, _ = await office.come("bo", Position(EPOCH, 1))
    assert own(publications) == [(8, "comment 8")]


async def test_of_what_may_be_taken_away_only_the_number_is_told(office: Office) -> None:
    """It was deleted, or the edge does not know: whoever wants it reads it where deletes are known."""
    office.feed.give_back(comment(7, user="bo"))
    _, publications, viewer = await office.come("bo", Position(EPOCH, 0))
    assert own(publications) == [(7, "comment 7")]
    office.hidden |= {comment(7)["id"], comment(8)["id"]}
    office.feed.give_back(comment(8, user="bo"))
    assert own([message["push"]["pub"] for message in viewer.inbox]) == [(8, None)]
    _, publications, _ = await office.come("bo", Position(EPOCH, 0))
    assert own(publications) == [(7, None), (8, None)]


async def test_left_out_comments_push_out_no_refusal(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a hot stream there are many; the oldest are not told again, and no hole is announced for them."""
    monkeypatch.setattr(module, "OWN_PER_PARTITION_MAX", 3)
    await office.come("ana")
    office.feed.push("bo", "refused")
    for seq in range(1, 9):
        office.feed.give_back(comment(seq, user="bo"))
    reply, publications, _ = await office.come("bo", Position(EPOCH, 0))
    assert reply["recovered"]
    assert ids(publications)[0] == "refused"
    assert [seq for seq, _ in own(publications)] == [6, 7, 8]


def test_an_edge_knows_what_it_holds() -> None:
    """Nothing of streams that are elsewhere or behind, or before its ring; deletes and clears count."""
    stream = Stream(STREAM, EPOCH, Ring(events_max=9, events_min=0, seconds=99), Stats())
    stream.seed(EPOCH, [], 4, 0.0)
    shows = known_shown({STREAM: stream}.get)
    assert not shows("another", EPOCH, quoted(7))
    assert not shows(STREAM, "test-1", quoted(7))
    assert not shows(STREAM, EPOCH, quoted(4))
    assert shows(STREAM, EPOCH, quoted(5))
    stream.take(segment([command(5, "delete", comment(2)["id"])]), 0.0)
    stream.take(segment([command(6, "delete", comment(5)["id"]), command(7, "clear", "cy")]), 0.0)
    assert shows(STREAM, EPOCH, quoted(6))
    assert not shows(STREAM, EPOCH, quoted(5))
    assert not shows(STREAM, EPOCH, quoted(6, "cy"))
    stream.stale = True
    assert not shows(STREAM, EPOCH, quoted(6))


def quoted(seq: int, user: str = "bo") -> Quoted:
    event = comment(seq, user=user)
    names = ("seq", "at", "id", "user_id", "user_name", "role", "text", "sticker")
    return cast("Quoted", {name: cast("Any", event)[name] for name in names})


async def test_repeats_are_dropped(office: Office) -> None:
    """A stage that crashed writes again: the first in the log counts."""
    _, _, viewer = await office.come("bo")
    for id_ in ("c1", "c2", "c1", "c2", "c3"):
        office.feed.push("bo", id_)
    office.feed.push("bo", "c1", stream="another")
    assert live(viewer) == ["c1", "c2", "c3", "c1"]
    _, publications, _ = await office.come("bo", Position(EPOCH, 0))
    assert ids(publications) == ["c1", "c2", "c3", "c1"]


async def test_a_first_subscribe_begins_where_the_log_is(office: Office) -> None:
    """Old refusals are no news; the position is that of everybody who is up to date."""
    office.feed.push("bo", "old")
    office.feed.push("ana", "x")
    reply, publications, _ = await office.come("bo")
    assert (reply["epoch"], reply["offset"], publications) == (EPOCH, 2, [])
    assert reply["recoverable"]
    assert reply["positioned"]


async def test_resumed_exactly(office: Office) -> None:
    """The offset asked for, and each notice from it on with its own."""
    for number in range(6):
        office.feed.push("bo" if number % 2 else "ana", f"c{number}")
    reply, publications, viewer = await office.come("bo", Position(EPOCH, 2))
    assert (reply["recovered"], reply["offset"]) == (True, 2)
    assert [(each["offset"], each["data"]["id"]) for each in publications] == [(4, "c3"), (6, "c5")]
    office.feed.push("bo", "c6")
    assert live(viewer) == ["c6"]


@pytest.mark.parametrize(
    ("since", "hole"),
    [
        (Position(EPOCH, 1), (1, 3)),
        (Position(EPOCH, 99), (6, 6)),
        (Position(EPOCH, -5), (0, 6)),
        (Position("other-0", 4), (4, 6)),
    ],
)
async def test_what_cannot_be_resumed_is_announced(
    office: Office, since: Position, hole: tuple[int, int]
) -> None:
    """Too old, ahead, negative, of another epoch: the true position, a hole, and what is kept behind it."""
    for number in range(6):
        office.feed.push("bo", f"c{number}")
    office.feed.first = 3
    reply, publications, _ = await office.come("bo", since)
    assert (reply["recovered"], reply["epoch"], reply["offset"]) == (False, EPOCH, 6)
    first = publications[0]["data"]["hole"]
    assert (first["from"], first["to"], first["reason"]) == (*hole, "window")
    assert ids(publications) == (["c3", "c4", "c5"] if hole == (1, 3) else [])


async def test_the_lead_only_shows_repeats(office: Office) -> None:
    """A notice older than what is served is not told, and neither is its repeat."""
    for id_ in ("c0", "c1", "c0", "c2"):
        office.feed.push("bo", id_)
    office.feed.first = 2
    _, publications, _ = await office.come("bo", Position(EPOCH, 2))
    assert ids(publications) == ["c2"]


async def test_a_position_ahead_is_checked_against_the_log(office: Office) -> None:
    """An edge that has read less reads on before it judges."""
    office.feed.push("bo", "c0")
    await office.come("ana")
    office.feed.away = True
    office.feed.push("bo", "c1")
    office.feed.push("bo", "c2")
    office.feed.away = False
    reply, publications, _ = await office.come("bo", Position(EPOCH, 2))
    assert reply["recovered"] is True
    assert ids(publications) == ["c2"]


async def test_a_full_socket_gets_them_later(office: Office) -> None:
    """Nothing is written while it is full, and nothing is lost."""
    _, _, viewer = await office.come("bo")
    assert viewer.subscriber is not None
    office.mailroom.block(viewer.subscriber)
    for number in range(3):
        office.feed.push("bo", f"c{number}")
    assert not viewer.inbox
    box = await office.mailroom.open("bo", None)
    frame = office.mailroom.resume(box, viewer.subscriber)
    assert frame is not None
    viewer.write(frame)
    office.feed.push("bo", "c3")
    assert live(viewer) == ["c0", "c1", "c2", "c3"]
    assert office.mailroom.resume(box, viewer.subscriber) is None


async def test_what_is_kept_is_bounded(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """By user and by partition; the oldest go, and whoever asks for them is told."""
    monkeypatch.setattr(module, "NOTICES_PER_USER_MAX", 3)
    monkeypatch.setattr(module, "NOTICES_PER_PARTITION_MAX", 8)
    await office.come("x")
    for number in range(6):
        office.feed.push("bo", f"c{number}")
    reply, publications, _ = await office.come("bo", Position(EPOCH, 0))
    assert reply["recovered"] is False
    assert publications[0]["data"]["hole"] == {"from": 0, "to": 3, "reason": "window"}
    assert ids(publications) == ["c3", "c4", "c5"]
    for number in range(8):
        office.feed.push(f"u{number}", "c")
    reply, publications, _ = await office.come("bo", Position(EPOCH, 4))
    assert reply["recovered"] is False
    place = office.mailroom._partitions[0]
    assert len(place.order) == 8
    assert sum(len(box.kept) for box in place.boxes.values()) == 8
    reply, publications, _ = await office.come("new", Position(EPOCH, 2))
    assert reply["recovered"] is False


async def test_a_log_begun_anew_sends_everybody_back(office: Office) -> None:
    """They subscribe again, and what was kept is forgotten."""
    _, _, viewer = await office.come("bo")
    office.feed.push("bo", "c0")
    office.mailroom.notices_lost(0)
    assert viewer.inbox[-1]["push"]["unsubscribe"]["code"] == 2500
    assert not viewer.connected
    assert office.mailroom._partitions[0].boxes == {}


async def test_a_partition_is_given_back(office: Office) -> None:
    """When the last user has gone, after a while."""
    box = await office.mailroom.open("bo", None)
    subscriber = Viewer("bo", STREAM).come()
    office.mailroom.admit(box, subscriber, None)
    office.clock.advance(LINGER_SECONDS * 3)
    assert office.feed.wanted
    office.mailroom.leave(box, subscriber)
    office.mailroom.leave(box, subscriber)
    office.clock.advance(LINGER_SECONDS + 2 * SWEEP_SECONDS)
    assert not office.feed.wanted
    assert office.mailroom._partitions == {}


async def test_notices_that_cannot_be_read_are_said_to_be(office: Office) -> None:
    """The SDK subscribes again later."""
    office.feed.away = True
    with pytest.raises(FeedAwayError):
        await office.come("bo")
    office.clock.advance(LINGER_SECONDS + 2 * SWEEP_SECONDS)
    assert office.mailroom._partitions == {}


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("notice"), st.sampled_from(["bo", "ana"]), st.integers(0, 12)),
            st.tuples(st.sampled_from(["cut", "come", "block", "unblock"]), st.just("bo"), st.just(0)),
        ),
        max_size=50,
    )
)
async def test_every_notice_arrives_once_whatever_happens(  # noqa: C901 - a machine of five moves
    steps: list[tuple[str, str, int]],
) -> None:
    """Any order of notices, repeats, cuts, resumes and full sockets: each comment once, in order."""
    office = Office()
    viewer, box, position, got = None, None, Position(EPOCH, 0), list[str]()
    expected: dict[str, None] = {}

    def read() -> None:
        nonlocal position
        while viewer is not None and viewer.inbox:
            message = viewer.inbox.popleft()
            publication = message["push"]["pub"]
            got.append(publication["data"]["id"])
            position = Position(EPOCH, publication["offset"])

    async def come() -> None:
        nonlocal viewer, box
        box = await office.mailroom.open("bo", position)
        viewer = Viewer("bo", STREAM)
        admission = office.mailroom.admit(box, viewer.come(), position)
        assert admission.result.recovered
        viewer.write(CODEC.frame(CODEC.reply(1, admission.result)))
        viewer.inbox.popleft()

    for what, user, number in [*steps, ("unblock", "bo", 0), ("cut", "bo", 0), ("come", "bo", 0)]:
        match what:
            case "notice":
                office.feed.push(user, f"{user}-{number}")
                if user == "bo":
                    expected.setdefault(f"bo-{number}")
            case "come" if viewer is None:
                await come()
            case "cut" if viewer is not None and box is not None:
                read()
                office.mailroom.leave(box, viewer.subscriber)  # type: ignore[arg-type]
                viewer = None
            case "block" if viewer is not None and not viewer.blocked:
                viewer.blocked = True
                office.mailroom.block(viewer.subscriber)  # type: ignore[arg-type]
            case "unblock" if viewer is not None and viewer.blocked:
                viewer.blocked = False
                frame = office.mailroom.resume(box, viewer.subscriber)  # type: ignore[arg-type]
                if frame is not None:
                    viewer.write(frame)
    read()
    assert got == list(expected)
    office.mailroom.stop()


@ENCODINGS
async def test_the_sdk_is_told_and_resumes(protobuf: bool) -> None:
    """An app subscribes to ``user:<id>``, loses its connection, and has every notice once."""
    async with stage() as on, client_of(on, protobuf=protobuf, user="bo") as (client, seen):
        own = client.new_subscription("user:bo", events=seen)
        await own.subscribe()
        await until(lambda: bool(seen.subscribed))
        on.notices.push("bo", "c0", code=Code.BANNED)
        await until(lambda: len(seen.publications) == 1)
        client._conn.transport.abort()
        await until(lambda: not on.server.connections)
        for number in range(1, 4):
            on.notices.push("bo", f"c{number}")
        await until(lambda: len(seen.publications) == 4)
        assert [each["id"] for each in seen.publications] == ["c0", "c1", "c2", "c3"]
        assert seen.publications[0]["code"] == Code.BANNED
        assert seen.subscribed[-1].recovered
        guest = Seen()
    async with stage() as on, client_of(on, protobuf=protobuf, role=None) as (client, _):
        subscription = client.new_subscription("user:guest-0", events=guest)
        await subscription.subscribe()
        await until(lambda: bool(guest.unsubscribed))
        assert guest.unsubscribed[0].code == 103
