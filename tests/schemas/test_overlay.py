"""What must not be shown any more."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from schemas.overlay import Overlay


def event(
    kind: str, seq: int, *, user: str = "u", id_: str = "", target: str | None = None
) -> dict[str, Any]:
    command = None if target is None else {"target": target}
    return {"type": kind, "seq": seq, "user_id": user, "id": id_ or f"c{seq}", "command": command}


EVENTS = st.lists(
    st.one_of(
        st.builds(lambda s, u: event("comment", s, user=u), st.integers(1, 9), st.sampled_from("ab")),
        st.builds(lambda s, t: event("delete", s, target=f"c{t}"), st.integers(1, 9), st.integers(1, 9)),
        st.builds(lambda s, u: event("clear", s, target=u), st.integers(1, 9), st.sampled_from("ab")),
        st.builds(lambda s, u: event("ban", s, target=u), st.integers(1, 9), st.sampled_from("ab")),
    ),
    max_size=12,
)


@given(EVENTS, st.randoms())
def test_order_and_repeats_do_not_matter(events: list[dict[str, Any]], random: Any) -> None:
    """Folding any permutation, twice, hides the same."""
    one, two = Overlay(), Overlay()
    one.add_all(events)
    shuffled = events * 2
    random.shuffle(shuffled)
    two.add_all(shuffled)
    assert one == two


def test_a_clear_binds_what_came_before_it_and_nothing_else() -> None:
    """A user's comments up to the clear's seq; a ban hides nothing."""
    overlay = Overlay()
    overlay.add_all(
        [event("clear", 5, target="a"), event("ban", 6, target="b"), event("delete", 7, target="c2")]
    )
    assert overlay.hides(event("comment", 4, user="a"))
    assert not overlay.hides(event("comment", 6, user="a"))
    assert not overlay.hides(event("comment", 1, user="b"))
    assert overlay.hides(event("comment", 2, user="z"))
    assert not overlay.hides(event("delete", 7, target="c2"))
