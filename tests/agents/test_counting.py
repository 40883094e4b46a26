"""What is counted of a stream: words, slices, minutes, words that rise."""

import json

from hypothesis import given
from hypothesis import strategies as st

from agents.core.counting import (
    MINUTES_MAX,
    SLICE_TERMS_TOLD,
    TERMS_MAX,
    Minute,
    Slice,
    Tally,
    words,
)
from schemas.records import Term
from schemas.sketch import estimate, sketch_of, union
from tests.archive.events import comment, order


def tally_of(*said: tuple[int, dict[str, int]]) -> Tally:
    """Return what is known after these minutes' words."""
    tally = Tally()
    for minute, terms in said:
        tally.take(minute, sum(terms.values()), 0, b"", 1)
        tally.add_terms(Term(term=term, comments=count) for term, count in terms.items())
    return tally


def test_words() -> None:
    """Case does not count; names that are called, links, numbers and short words do not either."""
    text = "The ENCORE, @nova_tides encore!! see https://x.test/a 2026 ok Größe Zażółć l'amour"
    assert words(text) == {"the", "encore", "see", "grösse", "zażółć", "l'amour"}
    assert words("🎉🎉 !! 12345") == set()


def test_a_slice() -> None:
    """A word counts once a comment, an author once; what its author alone sees does not."""
    part = Slice(0, 0, "e", 0, 0, 0)
    part.add(comment(1, text="encore encore", user_id="a"))
    part.add(comment(2, text="encore please", user_id="b"))
    part.add(comment(3, text="hidden words", mask=0, user_id="c"))
    part.add(order(4, "delete", "c1"))
    part.add(comment(5, text="please", user_id="a"))
    assert (part.comments, part.actions, part.authors, part.to_seq) == (3, 1, ["a", "b"], 5)
    assert [(each["term"], each["comments"]) for each in part.terms()] == [("encore", 2), ("please", 2)]


def test_a_slice_is_bounded() -> None:
    """Whatever is said, so many words are told, the most frequent ones."""
    part = Slice(0, 0, "e", 0, 0, 0)
    for seq in range(1, 300):
        part.add(comment(seq, text=" ".join(f"word{chr(97 + seq % 26)}{chr(97 + n)}" for n in range(26))))
    part.add(comment(301, text="wordaa"))
    told = part.terms()
    assert len(told) == SLICE_TERMS_TOLD
    assert [each["comments"] for each in told] == sorted((each["comments"] for each in told), reverse=True)


def test_minutes() -> None:
    """Slices of a minute add up; old minutes go; a clock that went back does not make a new one."""
    tally = Tally()
    tally.take(10, 5, 1, b"", 3)
    tally.take(10, 2, 0, b"", 4)
    tally.take(12, 1, 0, b"", 1)
    tally.take(11, 1, 0, b"", 2)
    assert tally.minutes == [Minute(10, 7, 1, 4), Minute(12, 2, 0, 2)]
    tally.take(10 + MINUTES_MAX, 1, 0, b"", 1)
    assert [each.minute for each in tally.minutes] == [12, 10 + MINUTES_MAX]
    assert not tally.is_over(10 + MINUTES_MAX)
    assert tally.is_over(10 + 2 * MINUTES_MAX)


def test_a_word_that_comes_up_rises() -> None:
    """One that is said at the same rate for long does not; what rose is passed when it stays."""
    usual = [(minute, {"the": 50}) for minute in range(30)]
    tally = tally_of(*usual, (30, {"the": 50, "encore": 20}))
    assert [each.term for each in tally.rising(5)] == ["encore"]
    assert tally.rising(5)[0].comments == 20
    assert 3 < tally.rising(5)[0].lift <= 4
    later = [(minute, {"the": 50, "encore": 20}) for minute in range(31, 60)]
    assert tally_of(*usual, *later).rising(5) == []


def test_nothing_rises_where_everything_does() -> None:
    """In a stream's first minutes, and while everybody cheers, a word is as loud as its share."""
    assert tally_of((0, {"hello": 50}), (1, {"hello": 60})).rising(5) == []
    calm = [(minute, {"the": 50, "yes": 10}) for minute in range(30)]
    assert tally_of(*calm, (30, {"the": 500, "yes": 100})).rising(5) == []


def test_words_fade() -> None:
    """Without being said again they are forgotten, and a stream that was silent begins anew."""
    tally = tally_of((0, {"encore": 20, "the": 500}), (45, {"hello": 5}))
    assert tally.slow.keys() == {"the", "hello"}
    assert tally_of((0, {"encore": 10**9}), (MINUTES_MAX, {"hello": 5})).slow.keys() == {"hello"}


slices = st.lists(
    st.tuples(
        st.integers(0, 90), st.dictionaries(st.text("abcdef", min_size=3, max_size=4), st.integers(1, 50))
    ),
    max_size=30,
)


@given(slices)
def test_whatever_is_said_it_stays_bounded_and_comes_back(said: list[tuple[int, dict[str, int]]]) -> None:
    """Words and minutes have their limits, and the checkpoint holds all of it."""
    tally = tally_of(*said)
    assert len(tally.slow) <= TERMS_MAX
    assert tally.slow.keys() == tally.fast.keys()
    assert len(tally.minutes) <= MINUTES_MAX
    assert Tally.of_json(json.loads(json.dumps(tally.to_json()))) == tally


def test_sketches() -> None:
    """Of different people, each counted once; the same bytes for the same people."""
    one, two = sketch_of(f"u{n}" for n in range(3000)), sketch_of(f"u{n}" for n in range(2000, 5000))
    assert abs(estimate([union([one, two])]) - 5000) < 250
    assert union([one, two]) == union([one, two])
    assert estimate([union([sketch_of(["a", "b"]), sketch_of(["b"])])]) == 2
    assert estimate([sketch_of([])]) == 0
