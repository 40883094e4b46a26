"""What authors write."""

import random
import uuid

from hypothesis import given
from hypothesis import strategies as st

from livecomments.nemesis.texts import FORBIDDEN_WORDS, draft


@given(st.integers(0, 2**32))
def test_texts_are_all_different_and_say_what_is_forbidden(seed: int) -> None:
    """A draft is marked as forbidden if, and only if, it has a listed word; ids are UUIDs."""
    rng = random.Random(seed)
    drafts = [draft(rng, number) for number in range(30)]
    assert len({each.text for each in drafts}) == len({each.id for each in drafts}) == len(drafts)
    for each in drafts:
        assert each.forbidden == any(word in each.text.split() for word in FORBIDDEN_WORDS)
        assert str(uuid.UUID(each.id)) == each.id


def test_the_words_are_listed_where_the_stages_look() -> None:
    """The short list that ships with the stages has them."""
    from importlib import resources

    listed = (resources.files("schemas") / "words.txt").read_text(encoding="utf-8").splitlines()
    assert set(FORBIDDEN_WORDS) <= set(listed)
