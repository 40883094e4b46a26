"""The made-up crowd: the same for the same seed, well-behaved, and lively."""

from collections import Counter
from itertools import islice, pairwise, takewhile

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.checks import clean_text
from livecomments.client.chatlog import Message
from livecomments.client.crowd import COOL_SECONDS, CREATOR_ID, MODERATORS, Shape, crowd
from livecomments.client.phrases import MOODS, load
from schemas.filtering import build, parse
from schemas.items import NAME_CHARS_MAX
from tests.real import ROOT

SEEDS = st.integers(0, 2**32)
TEXT_CHARS_MAX = 500


def evening(shape: Shape, minutes: int) -> list[Message]:
    return list(takewhile(lambda message: message.t_ms < minutes * 60_000, crowd(shape)))


@settings(max_examples=20)
@given(SEEDS)
def test_same_seed_same_crowd(seed: int) -> None:
    """A seed says it all."""
    first, second = (list(islice(crowd(Shape(seed)), 200)) for _ in range(2))
    assert first == second


@settings(max_examples=20)
@given(SEEDS, st.floats(0.5, 40))
def test_times_and_authors(seed: int, per_second: float) -> None:
    """Times never go back, and nobody of the crowd talks faster than a person types."""
    last: dict[str, int] = {}
    found = list(islice(crowd(Shape(seed, per_second=per_second)), 500))
    assert all(a.t_ms <= b.t_ms for a, b in pairwise(found))
    for message in found:
        if message.role == "viewer":
            assert message.t_ms - last.get(message.user, -(10**9)) >= COOL_SECONDS * 1000 - 1
            last[message.user] = message.t_ms


@settings(max_examples=20)
@given(SEEDS)
def test_texts_pass_the_gateway(seed: int) -> None:
    """Every text and name is one that the gateway takes as it is."""
    for message in islice(crowd(Shape(seed)), 500):
        assert clean_text(message.text, TEXT_CHARS_MAX) == message.text
        assert 0 < len(message.name) <= NAME_CHARS_MAX
        assert "{" not in message.text


def test_no_listed_word() -> None:
    """The crowd says nothing that the list which ships with the project refuses."""
    lines = (ROOT / "schemas" / "words.txt").read_text(encoding="utf-8").splitlines()
    words = build(parse(lines).rules)
    assert words.find("what a bastard") is not None
    for message in evening(Shape(), 20):
        assert words.find(message.text) is None, message.text


def test_rates() -> None:
    """There are bursts of several times the mean, quiet seconds, and about the rate that was asked for."""
    seconds = Counter(message.t_ms // 1000 for message in evening(Shape(), 20))
    mean = seconds.total() / 1200
    assert 5 < mean < 15
    assert max(seconds.values()) > 2.2 * mean
    assert sum(count < mean / 2 for count in seconds.values()) > 100


def test_people() -> None:
    """Creator and moderators speak now and then, many people a little, in every language."""
    found = evening(Shape(), 20)
    roles = Counter(message.role for message in found)
    assert roles["creator"] > 5
    assert roles["moderator"] > 3
    assert {message.user for message in found if message.role == "creator"} == {CREATOR_ID}
    assert {message.user for message in found if message.role == "moderator"} == set(MODERATORS)
    shares = Counter(message.user for message in found if message.role == "viewer")
    assert len(shares) > 800
    assert 4 * shares.total() / len(shares) < max(shares.values()) < shares.total() / 20


def test_phrases_are_complete() -> None:
    """Every language has names, and something to say in every mood; nothing has a placeholder of its own."""
    phrases = load()
    for language in phrases.languages.values():
        assert language.names
        assert language.cities
        for mood in MOODS:
            assert len(language.said[mood]) >= 3
            for phrase in language.said[mood]:
                phrase.format(song="", name="", city="")


def test_a_crowd_of_one() -> None:
    """A crowd so small that everybody just spoke is quiet, not stuck."""
    found = list(islice(crowd(Shape(authors=1, per_second=50)), 30))
    assert len(found) == 30
