"""The sampler: its decisions follow from the stream's events and from what it has shown, and nothing else."""

import random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from agents.core.lanes import MASK_ALL, WINDOW_MS
from agents.core.sampling import (
    LEFT_OUT_PER_BATCH_MAX,
    SHADOWED_PER_BATCH_MAX,
    STAFF_PER_SECOND,
    Batch,
    Sampler,
)
from agents.core.shown import MEMORY_WINDOWS
from livecomments.simulate.sampling import START_MS, crowd, event, written

SECRET = b"s" * 32


def sampler(secret: bytes = SECRET, rate: float = 4.0) -> Sampler:
    return Sampler("s", 0, secret, rate)


def commented(count: int, per_window: int = 100, seed: int = 1) -> list[Any]:
    """Return a busy stream with some of everything: crowd, repeats, creator, moderators, deletes, shadows."""
    draw = random.Random(seed)
    order = {"target": "x", "seconds": None, "reason": None, "settings": None}
    rows: list[Any] = []
    for seq in range(1, count + 1):
        at = START_MS + seq * WINDOW_MS // per_window
        row = event(
            seq, at, f"u{draw.randrange(50)}", draw.choice(["gg", "lol", f"text {seq}", f"wow {seq}"])
        )
        kind = draw.random()
        if kind < 0.01:
            row |= {"role": draw.choice(["creator", "moderator", "platform"])}
        elif kind < 0.015:
            row |= {"type": "delete", "command": order}
        elif kind < 0.03:
            row |= {"mask": 0}
        rows.append(row)
    return rows


def decided(one: Sampler, events: list[Any]) -> list[Batch]:
    return [*one.take(events), *one.close()]


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(0, 1_500), max_size=30), seed=st.integers(0, 3))
def test_cuts_do_not_matter(cuts: list[int], seed: int) -> None:
    """However the events come, in one piece or many, the batches are the same to the last mask."""
    events = commented(1_500, seed=seed)
    whole = decided(sampler(), events)
    other, batches = sampler(), []
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(events)], strict=True):
        batches += other.take(events[start:end])
    assert [*batches, *other.close()] == whole


def test_what_is_on_no_lane_is_for_its_author() -> None:
    """Every comment is shown or left out, repeats and shadowed ones too; so many of one batch at most."""
    events = commented(3_000, per_window=LEFT_OUT_PER_BATCH_MAX)
    batches = decided(sampler(), events)
    left = [event["seq"] for batch in batches for event in batch.left_out]
    shown = [event["seq"] for batch in batches for event in batch.events]
    assert sorted(left + shown) == [event["seq"] for event in events]
    [crowded] = decided(sampler(), [event(n, START_MS, f"u{n}", f"text {n}") for n in range(1, 2_001)])
    assert len(crowded.left_out) == LEFT_OUT_PER_BATCH_MAX


@settings(max_examples=15, deadline=None)
@given(crashes=st.lists(st.integers(0, 60), max_size=4, unique=True), seed=st.integers(0, 3))
def test_a_sampler_that_is_read_back_goes_on_with_the_same_masks(crashes: list[int], seed: int) -> None:
    """After any batch the sampler may be lost: one that folds the batches decides the rest alike."""
    events = commented(1_500, seed=seed)
    whole = decided(sampler(), events)
    batches: list[Batch] = []
    one = sampler()
    for at in (*sorted(min(crash, len(whole)) for crash in crashes), len(whole)):
        while len(batches) < at:
            batches += one.take([events[one.to_seq]]) if one.to_seq < len(events) else one.close()
        one = sampler()
        for batch in batches:
            one.fold(batch.window, batch.to_seq, batch.events)
        assert one.from_seq == one.to_seq == (batches[-1].to_seq if batches else 0)
    assert batches == whole


def test_two_minutes_of_the_log_are_enough_to_go_on() -> None:
    """What is older than the memory changes no decision, not by a bit."""
    events = list(written(crowd(40, 1 / 5), 300, seed=3))
    whole = decided(sampler(), events)
    half = len(whole) * 3 // 4
    since = whole[half].window - MEMORY_WINDOWS
    one = Sampler("s", 0, SECRET, 4.0)
    for batch in whole[:half]:
        if batch.window >= since:
            one.fold(batch.window, batch.to_seq, batch.events)
    assert decided(one, events[one.to_seq :]) == whole[half:]


def test_ranges_join_and_hold_their_events() -> None:
    """Batches cover the stream without a gap; each holds some of its range's events, ascending."""
    end = 0
    for batch in decided(sampler(), commented(1_500)):
        assert batch.from_seq == end < batch.to_seq
        seqs = [one["seq"] for one in batch.events]
        assert seqs == sorted(set(seqs))
        assert all(batch.from_seq < seq <= batch.to_seq for seq in seqs)
        end = batch.to_seq
    assert end == 1_500


def test_always_shown_events_end_the_window_at_once() -> None:
    """A creator's comment and every moderation event go to all lanes, with everything before them decided."""
    events = commented(200, per_window=1_000)
    one = sampler()
    creator = event(201, events[-1]["at"], "c", "hello all", role="creator")
    ban: Any = event(202, events[-1]["at"], "m", "") | {"type": "ban"}
    one.take(events)
    for last in (creator, ban):
        batches = one.take([last])
        assert batches[-1].to_seq == last["seq"]
        assert batches[-1].events[-1]["mask"] == MASK_ALL
        assert not one.pending


def test_moderators_beyond_their_two_a_second_compete_like_others() -> None:
    """The third comment of moderators within a second waits for the window's end."""
    one = sampler()
    one.take([event(1, START_MS, "u", "hi")])
    taken = [one.take([event(seq, START_MS, "m", f"t{seq}", role="moderator")]) for seq in range(2, 6)]
    assert [bool(batches) for batches in taken] == [True] * STAFF_PER_SECOND + [False, False]


def test_identical_texts_are_one_with_a_count_and_none_within_five_seconds() -> None:
    """Case, width and spaces aside, a text is shown once; after 5 s it may come again."""
    texts = ["GG wp", "gg  WP", "ＧＧ wp", " gg wp "]
    one = sampler()
    first = decided(one, [event(n, START_MS, f"u{n}", text) for n, text in enumerate(texts, start=1)])
    assert [(row["copies"], row["text"] in texts) for row in first[0].events] == [(4, True)]
    assert decided(one, [event(5, START_MS + 4_900, "u9", "gg wp")])[0].events == []
    assert len(decided(one, [event(6, START_MS + 5_000, "u8", "gg wp")])[0].events) == 1


def test_a_shadowed_authors_comments_stay_theirs_alone() -> None:
    """They keep mask 0, never compete, and a flood of them does not swell the fan-out."""
    rows: list[Any] = [event(n, START_MS, "troll", f"t{n}") | {"mask": 0} for n in range(1, 500)]
    shown = decided(sampler(), rows)[0].events
    assert {row["mask"] for row in shown} == {0}
    assert len(shown) <= SHADOWED_PER_BATCH_MAX


def test_an_id_that_wins_cannot_be_chosen_without_the_key() -> None:
    """Under another key the winners are others, at about the rate of chance."""
    events = list(written(crowd(2_000, 1), 5, seed=1))
    mine, other = (
        {row["id"] for batch in decided(sampler(secret), events) for row in batch.events}
        for secret in (SECRET, b"t" * 32)
    )
    assert len(mine & other) / len(mine) < 2 * len(mine) / len(events) + 0.02


def test_a_clock_that_was_set_back_starts_anew() -> None:
    """Events an hour before the last are shown at their rate, not kept out by what the future has used."""
    one = sampler()
    one.take(list(written(crowd(400, 1), 5, seed=1)))
    back: list[Any] = [
        row | {"seq": one.to_seq + n, "at": row["at"] - 3_600_000}
        for n, row in enumerate(written(crowd(400, 1), 3, seed=2), start=1)
    ]
    windows = [batch for batch in decided(one, back) if batch.window < START_MS // WINDOW_MS]
    assert len(windows) > 10
    assert all(len(batch.events) >= 40 for batch in windows[:-1])


def test_an_event_that_comes_late_gets_what_is_left_of_its_window() -> None:
    """A window that a clock closed early goes on: the lanes get no more than their slots in all."""
    events = [row for row in written(crowd(4_000, 1), 1, seed=1) if row["at"] < START_MS + WINDOW_MS]
    whole, parts = sampler(), sampler()
    together = decided(whole, events)
    apart = [*parts.take(events[:100]), *parts.close(), *parts.take(events[100:]), *parts.close()]
    assert {batch.window for batch in apart} == {together[0].window}
    assert sum(len(batch.events) for batch in apart) == len(together[0].events)
