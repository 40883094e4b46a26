"""The client's side of the protocol: what an SDK does at each turn."""

import json
from typing import Any

import pytest

from livecomments.nemesis.session import (
    UNKNOWN_CODE,
    Action,
    Answered,
    Drop,
    End,
    Later,
    Listening,
    Noticed,
    Published,
    Send,
    Session,
    Subscribed,
)
from livecomments.verify.facts import Place


def made() -> Session:
    return Session("token", "stream:s", "user:me")


def sent(actions: list[Action]) -> list[dict[str, Any]]:
    return [json.loads(action.text) for action in actions if isinstance(action, Send)]


def hear(session: Session, *messages: dict[str, Any], now: float = 1.0) -> list[Action]:
    return list(session.received("\n".join(json.dumps(each) for each in messages), now))


def connected(session: Session, now: float = 0.0) -> list[dict[str, Any]]:
    """Connect; return what was sent then."""
    (connect,) = sent(list(session.opened(now)))
    return sent(
        hear(session, {"id": connect["id"], "connect": {"client": "c", "ping": 25, "pong": True}}, now=now)
    )


def subscribed(session: Session, epoch: str = "k-0", offset: int = 5, **reply: Any) -> list[Action]:
    """Let it in, on both channels; return what became of the stream's."""
    stream, own = connected(session)
    hear(session, {"id": own["id"], "subscribe": {}})
    return hear(session, {"id": stream["id"], "subscribe": {"epoch": epoch, "offset": offset, **reply}})


def test_it_connects_first_and_subscribes_then() -> None:
    """The first subscribe has no position; the viewer's own channel is subscribed to as well."""
    session = made()
    (connect,) = sent(list(session.opened(0.0)))
    assert connect["connect"]["token"] == "token"
    session = made()
    first, own = connected(session)
    assert first["subscribe"] == {"channel": "stream:s"}
    assert own["subscribe"] == {"channel": "user:me"}


def test_the_next_connection_resumes_from_the_last_publication() -> None:
    """The position is the reply's, then each publication's offset."""
    session = made()
    assert subscribed(session) == [Subscribed(None, Place("k-0", 5), recovered=False)]
    push = {"push": {"channel": "stream:s", "pub": {"offset": 9, "data": {"to": 9}}}}
    assert hear(session, push) == [Published("live", {"to": 9})]
    list(session.closed(1006))
    first = connected(session)[0]
    assert first["subscribe"] == {"channel": "stream:s", "recover": True, "epoch": "k-0", "offset": 9}


def test_recovered_publications_follow_the_reply_in_order() -> None:
    """They are catch-up, and move the position as live ones do."""
    session = made()
    publications = [{"offset": n, "data": {"to": n}} for n in (6, 7)]
    first, *rest = subscribed(session, recovered=True, publications=publications)
    assert first == Subscribed(None, Place("k-0", 5), recovered=True)
    assert rest == [Published("catchup", {"to": 6}), Published("catchup", {"to": 7})]
    assert session.position == Place("k-0", 7)


def test_a_ping_is_answered_and_silence_ends_the_connection() -> None:
    """A server that sends neither data nor pings is given up."""
    session = made()
    subscribed(session)
    assert hear(session, {}, now=10.0) == [Send("{}")]
    assert list(session.tick(44.0)) == []
    assert list(session.tick(46.0)) == [Drop("no ping")]


def test_a_reply_that_does_not_come_ends_the_connection() -> None:
    """Connect and subscribe have 5 s."""
    session = made()
    list(session.opened(0.0))
    assert list(session.tick(4.0)) == []
    assert list(session.tick(5.1)) == [Drop("no reply to connect")]


def test_a_publish_without_a_reply_is_unknown() -> None:
    """It is never failed; the connection goes on."""
    session = made()
    subscribed(session)
    asked = session.publish(1.0, {"id": "x", "text": "hi"})
    assert asked is not None
    number, send = asked
    assert json.loads(send.text)["publish"] == {"channel": "stream:s", "data": {"id": "x", "text": "hi"}}
    assert list(session.tick(6.5)) == [Answered(number, UNKNOWN_CODE)]


@pytest.mark.parametrize(
    ("reply", "code"), [({"publish": {}}, 0), ({"error": {"code": 1002, "message": ""}}, 1002)]
)
def test_a_publish_is_answered_by_its_number(reply: dict[str, Any], code: int) -> None:
    """The reply, or the error's code."""
    session = made()
    subscribed(session)
    asked = session.publish(1.0, {})
    assert asked is not None
    assert hear(session, {"id": asked[0], **reply}) == [Answered(asked[0], code)]


def test_an_unsubscribe_push_means_again_or_never() -> None:
    """From 2500 on the SDK subscribes again, with its position; below it is final."""
    session = made()
    subscribed(session)
    again = hear(session, {"push": {"channel": "stream:s", "unsubscribe": {"code": 2500, "reason": ""}}})
    assert sent(again)[0]["subscribe"]["offset"] == 5
    session = made()
    subscribed(session)
    final = hear(session, {"push": {"channel": "stream:s", "unsubscribe": {"code": 2000, "reason": ""}}})
    assert final == [End("unsubscribed with 2000")]


@pytest.mark.parametrize("code", [3500, 3999, 4500, 4999])
def test_final_close_codes_end_it(code: int) -> None:
    """The server does not want this viewer back."""
    assert list(made().closed(code)) == [End(f"closed with {code}")]


@pytest.mark.parametrize("code", [1000, 1006, 1011, 3000, 4000, 4499])
def test_other_close_codes_mean_again(code: int) -> None:
    """Everything else is worth another attempt, later and later."""
    session = made()
    assert list(session.closed(code)) == []
    before = session.backoff_seconds_max
    list(session.closed(code))
    assert session.backoff_seconds_max > before
    for _ in range(50):
        list(session.closed(code))
    assert session.backoff_seconds_max == 20.0


def test_a_temporary_subscribe_error_is_tried_again_and_another_is_final() -> None:
    """As the SDKs judge it."""
    for error, expected in (
        ({"code": 100, "temporary": True}, Later()),
        ({"code": 103}, End("subscribe refused: 103")),
    ):
        session = made()
        subscribe = connected(session)[0]
        assert hear(session, {"id": subscribe["id"], "error": error}) == [expected]


def test_notices_come_on_the_own_channel() -> None:
    """They are not publications of the stream."""
    session = made()
    subscribed(session)
    push = {"push": {"channel": "user:me", "pub": {"offset": 1, "data": {"id": "x"}}}}
    assert hear(session, push) == [Noticed({"id": "x"})]
    assert session.position == Place("k-0", 5)


def test_notices_are_resumed_like_any_channel() -> None:
    """The own channel has a position of its own, and is asked for again after a temporary error."""
    session = made()
    own = connected(session)[1]
    first = {"id": own["id"], "subscribe": {"epoch": "k-0", "offset": 3}}
    assert hear(session, first) == [Listening(None, Place("k-0", 3), recovered=False)]
    hear(session, {"push": {"channel": "user:me", "pub": {"offset": 8, "data": {"id": "x"}}}})
    list(session.closed(1006))
    again = connected(session)[1]
    assert again["subscribe"] == {"channel": "user:me", "recover": True, "epoch": "k-0", "offset": 8}
    away = {"id": again["id"], "error": {"code": 100, "temporary": True}}
    assert hear(session, away) == [Later(own=True)]
    (third,) = sent(list(session.listen(1.0)))
    missed = [{"offset": 9, "data": {"id": "y"}}]
    answer = {"epoch": "k-0", "offset": 8, "recovered": True, "publications": missed}
    expected = [Listening(Place("k-0", 8), Place("k-0", 8), recovered=True), Noticed({"id": "y"})]
    assert hear(session, {"id": third["id"], "subscribe": answer}) == expected


def test_publications_of_an_ended_subscription_are_not_taken() -> None:
    """What was still on the way when the viewer left is nobody's."""
    session = made()
    subscribed(session)
    list(session.leave(1.0))
    push = {"push": {"channel": "stream:s", "pub": {"offset": 9, "data": {"to": 9}}}}
    assert hear(session, push) == []
    assert session.position == Place("k-0", 5)
