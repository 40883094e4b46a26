"""Taps: counted for half a second, a record a stream, limited a user."""

from edge.taps import BURST_SECONDS, STREAMS_MAX, Taps


def taps(per_second: float = 10.0) -> Taps:
    return Taps("edge-1", "0198", ("❤", "🔥"), per_second)


def test_a_window_is_one_record_a_stream() -> None:
    """Named (edge, boot, window); an empty window is none, and has a number all the same."""
    one = taps()
    for user in range(7):
        one.tap("s", "❤" if user else "🔥", f"u{user}", 0.0)
    one.tap("t", "❤", "u", 0.0)
    first = one.take(0.5)
    assert [(row["stream_id"], row["counts"], row["window"]) for row in first] == [
        ("s", {"🔥": 1, "❤": 6}, 1),
        ("t", {"❤": 1}, 1),
    ]
    assert (first[0]["edge"], first[0]["boot"]) == ("edge-1", "0198")
    assert one.take(1.0) == []
    one.tap("s", "❤", "u", 1.1)
    assert one.take(1.5)[0]["window"] == 3


def test_a_hundred_thousand_taps_a_second_are_a_few_records() -> None:
    """20,000 users on 50 streams, 5 taps each in a second: 100 records."""
    one = taps()
    records = 0
    for half in range(2):
        for user in range(20_000):
            for _ in range(2 + half):
                assert one.tap(f"s{user % 50}", "❤", f"u{user}", half / 2)
        rows = one.take((half + 1) / 2)
        records += len(rows)
        assert sum(row["counts"]["❤"] for row in rows) == 20_000 * (2 + half)
    assert records == 100


def test_a_user_has_a_rate_and_a_burst() -> None:
    """Five seconds' worth at once, and then the rate; on whatever stream and connection."""
    one = taps(per_second=2.0)
    given = [one.tap(f"s{n}", "❤", "u", 0.0) for n in range(2 * BURST_SECONDS + 1)]
    assert given == [True] * 2 * BURST_SECONDS + [False]
    assert not one.tap("s", "❤", "u", 0.4)
    assert one.tap("s", "❤", "u", 0.6)
    assert one.tap("s", "❤", "another", 0.0)


def test_what_is_kept_of_users_is_what_they_tapped_lately() -> None:
    """Nobody's allowance outlives the time it takes to fill."""
    one = taps()
    one.tap("s", "❤", "u", 0.0)
    one.take(1.0)
    assert one._left
    one.take(BURST_SECONDS)
    assert not one._left


def test_streams_are_bounded() -> None:
    """Taps beyond are not counted, and nobody is told."""
    one = taps()
    for n in range(STREAMS_MAX + 5):
        assert one.tap(f"s{n}", "❤", f"u{n}", 0.0)
    assert len(one.take(0.5)) == STREAMS_MAX


def test_only_what_is_set_may_be_tapped() -> None:
    """No words, no foreign emoji."""
    assert taps().allows("❤")
    assert not taps().allows("rude word")
