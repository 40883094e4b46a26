"""What a gateway refuses before Kafka."""

import unicodedata
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.auth import Viewer
from edge.checks import (
    COMMANDS,
    Ban,
    Facts,
    Spent,
    clean_id,
    clean_sticker,
    clean_text,
    fault_of_command,
    refusal_of_command,
    refusal_of_comment,
)
from schemas.refusals import Code, Refusal

NOW = 1_800_000_000_000
NO_ARGUMENTS = {"target": None, "seconds": None, "reason": None, "settings": None}


@given(st.text(max_size=80))
def test_text_is_nfc_trimmed_or_refused(text: str) -> None:
    """What passes is NFC, trimmed, of the same content, encodable, and passes again unchanged."""
    try:
        clean = clean_text(text, 60)
    except Refusal:
        return
    assert clean == unicodedata.normalize("NFC", text).strip()
    assert clean_text(clean, 60) == clean
    assert 0 < len(clean.encode().decode()) <= 60


@pytest.mark.parametrize("text", ["", "  \n", "a\x00b", "a\x1bb", "\ud800", "a\x85b", "x" * 61])
def test_bad_text_is_refused(text: str) -> None:
    """Empty, too long, or with control characters."""
    with pytest.raises(Refusal):
        clean_text(text, 60)


def test_text_of_a_sticker_may_be_empty() -> None:
    """A sticker says enough; its name has a shape."""
    assert clean_text(" ", 60, may_be_empty=True) == ""
    assert clean_sticker("wave-2") == "wave-2"
    with pytest.raises(Refusal):
        clean_sticker("a b")


def _uuid7(ms: int) -> str:
    return str(uuid.UUID(int=(ms << 80) | (0x7 << 76) | (0x2 << 62) | 12345))


@given(st.uuids())
def test_any_uuid_is_an_id(given_id: uuid.UUID) -> None:
    """Any version but an old 7; case does not make another id."""
    if given_id.version == 7:
        return
    assert clean_id(str(given_id).upper(), str, NOW, 120) == str(given_id)


def test_old_uuid7_is_refused() -> None:
    """A repeat that could not be told from a first time is too old; a fresh one is made for None."""
    fresh = _uuid7(NOW - 119_000)
    assert clean_id(fresh, str, NOW, 120) == fresh
    with pytest.raises(Refusal) as caught:
        clean_id(_uuid7(NOW - 121_000), str, NOW, 120)
    assert caught.value.code is Code.TOO_OLD
    assert clean_id(None, lambda: "fresh", NOW, 120) == "fresh"


@pytest.mark.parametrize(
    "bad", ["", "x", "0" * 36, "{" + str(uuid.uuid4()) + "}", str(uuid.uuid4()).replace("-", "")]
)
def test_what_is_no_uuid_is_refused(bad: str) -> None:
    """One spelling of an id, so that a retry is recognised."""
    with pytest.raises(Refusal) as caught:
        clean_id(bad, str, NOW, 120)
    assert caught.value.code is Code.INVALID


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        (Facts(), None),
        (Facts(ban=Ban("ban")), Code.BANNED),
        (Facts(ban=Ban("timeout", NOW + 1)), Code.TIMED_OUT),
        (Facts(ban=Ban("ban", NOW)), None),
        (Facts(ban=Ban("shadow")), None),
        (Facts(everywhere=Ban("ban")), Code.BANNED),
        (Facts(everywhere=Ban("ban", NOW)), None),
        (Facts(ban=Ban("hold")), None),
        (Facts(modes=frozenset({"members_only"})), Code.MEMBERS_ONLY),
        (Facts(modes=frozenset({"members_only"}), member=True), None),
        (Facts(modes=frozenset({"members_only"}), creator="u"), None),
        (Facts(modes=frozenset({"emote_only"})), Code.EMOTE_ONLY),
        (Facts(state="ended"), Code.STREAM_ENDED),
        (Facts(state="ended", ban=Ban("ban")), Code.BANNED),
        (Facts(spent=Spent(Code.SLOW_MODE, 3.0)), Code.SLOW_MODE),
        (Facts(spent=Spent(Code.RATE_LIMITED, 0.5)), Code.RATE_LIMITED),
        (Facts(spent=Spent(Code.SLOW_MODE, 3.0), moderators=frozenset("u")), None),
        (Facts(spent=Spent(Code.RATE_LIMITED, 3.0), moderators=frozenset("u")), Code.RATE_LIMITED),
    ],
)
def test_refusals_of_comments(facts: Facts, code: Code | None) -> None:
    """A ban comes before the rest; who is shadow-banned learns nothing; slow mode spares moderators."""
    refusal = refusal_of_comment(facts, "u", NOW, "words")
    assert (refusal.code if refusal else None) == code


def test_timeout_says_how_long() -> None:
    """The wait is in seconds, and in the words."""
    refusal = refusal_of_comment(Facts(ban=Ban("timeout", NOW + 30_000, "spam")), "u", NOW)
    assert refusal is not None
    assert refusal.wait_seconds == 30
    assert "spam" in refusal.message


def _command(viewer: Viewer, facts: Facts | None, type_: str = "end", **arguments: object) -> Code | None:
    refusal = refusal_of_command(facts, viewer, "s", type_, {**NO_ARGUMENTS, **arguments})
    return refusal.code if refusal else None


def test_who_may_moderate() -> None:
    """The token's role on its stream, the stream's creator, or whom they appointed."""
    viewer = Viewer("u", "U", "viewer", "s")
    assert _command(viewer, Facts()) is Code.NOT_MODERATOR
    assert _command(viewer, Facts(moderators=frozenset("u"))) is None
    assert _command(viewer, Facts(creator="u")) is None
    assert _command(viewer, None) is None
    assert _command(Viewer("c", "C", "creator", "s"), Facts()) is None
    assert _command(Viewer("c", "C", "creator", None), Facts()) is Code.NOT_MODERATOR
    assert _command(Viewer("g", "G", "guest"), None) is Code.NOT_MODERATOR


def test_opening_is_the_platforms() -> None:
    """Only the platform opens streams; again with the same creator is no fault, with another it is."""
    platform = Viewer("p", "P", "platform")
    assert _command(Viewer("c", "C", "creator", "s"), Facts(), "open") is Code.NOT_MODERATOR
    assert _command(platform, Facts(creator="c"), "open", settings={"creator": "c"}) is None
    assert _command(platform, Facts(creator="c"), "open", settings={"creator": "d"}) is Code.STREAM_EXISTS


def test_creator_cannot_be_banned() -> None:
    """Nobody bans the creator from their own stream."""
    moderator = Viewer("m", "M", "moderator", "s")
    assert _command(moderator, Facts(creator="c"), "ban", target="c") is Code.INVALID
    assert _command(moderator, Facts(creator="c"), "ban", target="d") is None


@pytest.mark.parametrize(
    ("type_", "target", "seconds", "reason"),
    [
        ("explode", None, None, None),
        ("ban", None, None, None),
        ("ban", "", None, None),
        ("ban", "u" * 129, None, None),
        ("ban", "u\x00", None, None),
        ("ban", "u", -1, None),
        ("ban", "u", 2**62, None),
        ("ban", "u", 5, "r" * 501),
        ("slow", None, None, None),
        ("slow", None, 86_401, None),
    ],
)
def test_bad_commands(type_: str, target: str | None, seconds: int | None, reason: str | None) -> None:
    """Unknown, without what it needs, or out of bounds."""
    assert fault_of_command(type_, target, seconds, reason)


@pytest.mark.parametrize("type_", sorted(COMMANDS))
def test_good_commands(type_: str) -> None:
    """Every command there is, with a target and seconds."""
    assert fault_of_command(type_, "t", 5, "because") is None
