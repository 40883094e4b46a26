"""One connection's rules, as a table: what is said, by whom, and what comes of it."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.auth import TokenError, Viewer
from edge.protocol import codes
from edge.protocol import commands as c
from edge.protocol.codes import Close, Error
from edge.protocol.session import (
    BURST_SECONDS,
    REFUSED_IN_A_ROW_MAX,
    Answer,
    Count,
    Enter,
    Join,
    Look,
    Post,
    Quit,
    Rules,
    Session,
    Shut,
    Steer,
    Survey,
    Watch,
)
from schemas.refusals import Code
from tests.edge.protocol.test_codecs import commands

WALL = 1_800_000_000.0
BO = Viewer("bo", "Bo", "viewer", "demo", int(WALL) + 60)
ANY = Viewer("bo", "Bo", "viewer", None, int(WALL) + 60)
GUEST = Viewer("guest-1", "guest", "guest")
PLATFORM = Viewer("p", "P", "platform", "demo", int(WALL) + 60)


def verify(token: str) -> Viewer:
    """Know four tokens."""
    if token == "expired":
        raise TokenError("old", expired=True)
    known = {"bo": BO, "any": ANY, "platform": PLATFORM, "other": Viewer("eve", "E", "viewer", "demo")}
    if token not in known:
        raise TokenError("bad")
    return known[token]


def session(who: str | None = "bo", **rules: Any) -> Session:
    """Return a session that is connected with a token; None: not connected yet."""
    defaults: dict[str, Any] = {
        "verify": verify, "guest": lambda: GUEST, "ping_seconds": 25, "subscriptions_max": 3,
        "commands_per_second": 10, "leeway_seconds": 10,
    }  # fmt: skip
    made = Session(Rules(**defaults | rules), "client", 0.0)
    if who is not None:
        assert list(made.handle(c.Connect(1, who), 0.0, WALL)) == [Enter(1)]
    return made


def said(on: Session, command: c.Command, now: float = 1.0) -> Any:
    """Return the one action that a command leads to, or None."""
    actions = list(on.handle(command, now, WALL))
    assert len(actions) <= 1
    return actions[0] if actions else None


def failed(error: Error) -> Callable[[Any], bool]:
    return lambda action: isinstance(action, Answer) and action.result == c.Failed.of(error)


def shut(close: Close) -> Callable[[Any], bool]:
    return lambda action: action == Shut(close)


BEFORE: list[tuple[c.Command, Callable[[Any], bool]]] = [
    (c.Connect(1, "bo"), lambda action: action == Enter(1)),
    (c.Connect(1, ""), lambda action: action == Enter(1)),
    (c.Connect(1, "bad"), shut(codes.INVALID_TOKEN)),
    (c.Connect(1, "expired"), failed(Error.TOKEN_EXPIRED)),
    (c.Connect(0, "bo"), shut(codes.BAD_REQUEST)),
    (c.Subscribe(1, "stream:demo", None), shut(codes.BAD_REQUEST)),
    (c.Publish(1, "stream:demo", {"text": "x"}), shut(codes.BAD_REQUEST)),
    (c.Refresh(1, "bo"), shut(codes.BAD_REQUEST)),
    (c.History(1, "stream:demo", 1, None, reverse=False), shut(codes.BAD_REQUEST)),
    (c.PresenceStats(1, "stream:demo"), shut(codes.BAD_REQUEST)),
    (c.Ping(1), shut(codes.BAD_REQUEST)),
    (c.Pong(), shut(codes.BAD_REQUEST)),
    (c.Call(1, "replay", {}), shut(codes.BAD_REQUEST)),
    (c.Unknown(1, "sub_refresh"), shut(codes.BAD_REQUEST)),
]


@pytest.mark.parametrize(("command", "expected"), BEFORE, ids=lambda each: type(each).__name__)
def test_before_connect(command: c.Command, expected: Callable[[Any], bool]) -> None:
    """Nothing but a connect command is heard."""
    assert expected(said(session(None), command))


AFTER: list[tuple[str, c.Command, Callable[[Any], bool]]] = [
    ("bo", c.Connect(2, "bo"), shut(codes.BAD_REQUEST)),
    ("bo", c.Ping(2), lambda action: action == Answer(2, c.Ponged())),
    ("bo", c.Pong(), lambda action: action is None),
    ("bo", c.Unknown(0, "send"), lambda action: action is None),
    ("bo", c.Call(2, "other", {}), failed(Error.METHOD_NOT_FOUND)),
    ("bo", c.Unknown(2, "sub_refresh"), failed(Error.METHOD_NOT_FOUND)),
    ("bo", c.Presence(2, "stream:demo"), failed(Error.NOT_AVAILABLE)),
    ("bo", c.Publish(0, "stream:demo", {"text": "x"}), shut(codes.BAD_REQUEST)),
    ("bo", c.Subscribe(0, "stream:demo", None), shut(codes.BAD_REQUEST)),
    # Channels.
    ("bo", c.Subscribe(2, "stream:demo", None), lambda action: isinstance(action, Join)),
    ("bo", c.Subscribe(2, "stream:other", None), failed(Error.PERMISSION_DENIED)),
    ("any", c.Subscribe(2, "stream:other", None), lambda action: isinstance(action, Join)),
    ("platform", c.Subscribe(2, "stream:other", None), lambda action: isinstance(action, Join)),
    ("", c.Subscribe(2, "stream:other", None), lambda action: isinstance(action, Join)),
    ("bo", c.Subscribe(2, "user:bo", None), lambda action: action.stream_id is None),
    ("bo", c.Subscribe(2, "user:eve", None), failed(Error.PERMISSION_DENIED)),
    ("platform", c.Subscribe(2, "user:bo", None), failed(Error.PERMISSION_DENIED)),
    ("", c.Subscribe(2, "user:guest-1", None), failed(Error.PERMISSION_DENIED)),
    ("bo", c.Subscribe(2, "user:", None), failed(Error.PERMISSION_DENIED)),
    ("bo", c.Subscribe(2, "", None), failed(Error.UNKNOWN_CHANNEL)),
    ("bo", c.Subscribe(2, "demo", None), failed(Error.UNKNOWN_CHANNEL)),
    ("bo", c.Subscribe(2, "stream:", None), failed(Error.UNKNOWN_CHANNEL)),
    ("bo", c.Subscribe(2, "stream:a/b", None), failed(Error.UNKNOWN_CHANNEL)),
    ("bo", c.Subscribe(2, "stream:" + "x" * 129, None), failed(Error.UNKNOWN_CHANNEL)),
    ("bo", c.Subscribe(2, "$stream:demo", None), failed(Error.UNKNOWN_CHANNEL)),
    ("bo", c.Unsubscribe(2, "stream:demo"), lambda action: action == Answer(2, c.Unsubscribed())),
    # Replays.
    ("bo", c.Subscribe(2, "replay:demo", None, data={"speed": 2}),
     lambda action: action == Watch(2, "replay:demo", "demo", None, {"speed": 2})),
    ("bo", c.Subscribe(2, "replay:other", None), failed(Error.PERMISSION_DENIED)),
    ("bo", c.Subscribe(2, "replay:a/b", None), failed(Error.UNKNOWN_CHANNEL)),
    ("bo", c.Call(2, "replay", {"channel": "x"}), lambda action: action == Steer(2, {"channel": "x"})),
    ("bo", c.Call(2, "replay.histogram", {}), lambda action: action == Survey(2, {})),
    ("bo", c.Publish(2, "replay:demo", {"text": "x"}), failed(Error.UNKNOWN_CHANNEL)),
    ("bo", c.History(2, "replay:demo", 5, None, reverse=False), failed(Error.UNKNOWN_CHANNEL)),
    # What streams are asked.
    ("bo", c.PresenceStats(2, "stream:demo"), lambda action: action == Count(2, "demo")),
    ("bo", c.PresenceStats(2, "stream:other"), failed(Error.PERMISSION_DENIED)),
    ("bo", c.PresenceStats(2, "user:bo"), failed(Error.PERMISSION_DENIED)),
    ("bo", c.History(2, "stream:demo", 5, None, reverse=True),
     lambda action: action == Look(2, "demo", 5, None, reverse=True)),
    ("bo", c.History(2, "user:bo", 5, None, reverse=False), failed(Error.PERMISSION_DENIED)),
    ("bo", c.History(2, "chat:demo", 5, None, reverse=False), failed(Error.UNKNOWN_CHANNEL)),
    # Comments.
    ("bo", c.Publish(2, "stream:demo", {"text": "x"}), lambda a: a == Post(2, "demo", None, "x", None)),
    ("bo", c.Publish(2, "stream:demo", {"id": "u", "text": "x"}),
     lambda action: action == Post(2, "demo", "u", "x", None)),
    ("bo", c.Publish(2, "stream:demo", {"sticker": "s"}), lambda a: a == Post(2, "demo", None, "", "s")),
    ("bo", c.Publish(2, "stream:other", {"text": "x"}), failed(Error.PERMISSION_DENIED)),
    ("bo", c.Publish(2, "user:bo", {"text": "x"}), failed(Error.PERMISSION_DENIED)),
    # Tokens.
    ("bo", c.Refresh(2, "bo"), lambda action: action == Answer(2, c.Refreshed("client", 60))),
    ("bo", c.Refresh(2, "bad"), shut(codes.INVALID_TOKEN)),
    ("bo", c.Refresh(2, ""), shut(codes.INVALID_TOKEN)),
    ("bo", c.Refresh(2, "expired"), failed(Error.TOKEN_EXPIRED)),
    ("bo", c.Refresh(2, "other"), shut(codes.INVALID_TOKEN)),
    ("bo", c.Refresh(2, "any"), shut(codes.INVALID_TOKEN)),
    ("any", c.Refresh(2, "bo"), shut(codes.INVALID_TOKEN)),
    ("", c.Refresh(2, "bo"), shut(codes.INVALID_TOKEN)),
]  # fmt: skip


@pytest.mark.parametrize(("token", "command", "expected"), AFTER)
def test_after_connect(token: str, command: c.Command, expected: Callable[[Any], bool]) -> None:
    """Each command by each kind of viewer."""
    assert expected(said(session(token), command))


@pytest.mark.parametrize(
    "data",
    [None, 1, "x", [], {"text": 1}, {"text": None}, {"text": "x", "id": 5}, {"text": "x", "more": 1},
     {"text": "x", "sticker": []}, {"text": ["x"]}],
)  # fmt: skip
def test_what_is_no_comment_is_invalid(data: object) -> None:
    """A publish that is not made as one is refused with its own code."""
    action = said(session(), c.Publish(2, "stream:demo", data))
    assert action.result.code == Code.INVALID


def test_guests_may_be_kept_out() -> None:
    """Where a token is needed, a client without one is told for good."""
    assert said(session(None, guest=None), c.Connect(1, "")) == Shut(codes.TOKEN_NEEDED)


def test_a_channel_is_subscribed_once_and_not_too_many() -> None:
    """A second subscribe is an error; beyond the limit too; unsubscribing makes room."""
    on = session("any")
    assert isinstance(said(on, c.Subscribe(2, "stream:a", None)), Join)
    assert failed(Error.ALREADY_SUBSCRIBED)(said(on, c.Subscribe(3, "stream:a", None)))
    said(on, c.Subscribe(4, "stream:b", None))
    said(on, c.Subscribe(5, "user:bo", None))
    assert failed(Error.LIMIT_EXCEEDED)(said(on, c.Subscribe(6, "stream:c", None)))
    assert said(on, c.Unsubscribe(7, "stream:a")) == Quit(7, "stream:a")
    assert isinstance(said(on, c.Subscribe(8, "stream:c", None)), Join)


def test_a_flood_is_slowed_and_then_cut() -> None:
    """Beyond the allowance commands are refused, as temporary; who goes on and on is cut."""
    on = session()
    for number in range(10 * BURST_SECONDS - 1):
        assert said(on, c.Ping(number + 2), now=0.0) is not None
    action = said(on, c.Ping(99), now=0.0)
    assert failed(Error.TOO_MANY_REQUESTS)(action)
    assert action.result.temporary
    assert said(on, c.Pong(), now=0.0) is None
    for _ in range(REFUSED_IN_A_ROW_MAX - 2):
        assert failed(Error.TOO_MANY_REQUESTS)(said(on, c.Ping(99), now=0.0))
    assert said(on, c.Ping(99), now=0.0) == Shut(codes.TOO_MANY_REQUESTS)


def test_who_slows_down_is_forgiven() -> None:
    """The allowance comes back with time, and the count begins anew."""
    on = session()
    for _ in range(50):
        said(on, c.Ping(9), now=0.0)
    assert said(on, c.Ping(9), now=0.2) == Answer(9, c.Ponged())
    assert not on.flooding


def test_a_clock_that_goes_back_takes_nothing() -> None:
    """The monotonic clock may stand still at most; an earlier reading gives no negative allowance."""
    on = session()
    said(on, c.Ping(9), now=100.0)
    assert said(on, c.Ping(9), now=100.0) == Answer(9, c.Ponged())


def test_expiry_has_a_leeway_and_a_ttl_that_sdks_can_hold() -> None:
    """A token counts a little longer than it says; its ttl is 1 to 2^31 - 1 seconds."""
    on = session()
    assert on.expires_in(WALL) == 70
    assert on.connected(WALL).ttl == 60
    assert on.connected(WALL + 65).ttl == 1
    far = Viewer("bo", "Bo", "viewer", "demo", 10**12)
    on = session(None, verify=lambda _: far)
    list(on.handle(c.Connect(1, "t"), 0.0, WALL))
    assert on.connected(WALL).ttl == 2**31 - 1
    assert session("").expires_in(WALL) is None
    assert session("").connected(WALL).ttl is None


@given(
    st.lists(st.tuples(commands, st.floats(0, 0.3)), max_size=40), st.sampled_from(["bo", "any", "", None])
)
def test_any_talk_keeps_the_rules(talk: list[tuple[c.Command, float]], token: str | None) -> None:
    """Never more subscriptions than allowed; after a close nothing; every numbered command has one answer."""
    on, now = session(token), 1.0
    for command, pause in talk:
        now += pause
        actions = list(on.handle(command, now, WALL))
        assert len(actions) <= 1
        assert len(on.channels) <= 3
        if any(isinstance(action, Shut) for action in actions):
            return
        if command.id and not isinstance(command, c.Pong) and on.viewer is not None:
            assert actions
