"""Names for those who have only an id."""

from hypothesis import given
from hypothesis import strategies as st

from livecomments.client.names import name_of


@given(st.text(max_size=200))
def test_name(user: str) -> None:
    """Any id has a short, readable name, and always the same."""
    name = name_of(user)
    assert name == name_of(user)
    assert 3 <= len(name) <= 30
    assert name.isascii()
    assert name.isprintable()


def test_spread() -> None:
    """Few of a thousand people share a name."""
    assert len({name_of(f"user-{n}") for n in range(1000)}) > 900
