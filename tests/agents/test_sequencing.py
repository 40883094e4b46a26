"""What sequencing says of who may see an event."""

import pytest

from agents.core.sequencing import MASK_ALL, MASK_AUTHOR_ONLY, Sequencer
from schemas.records import NOTHING, ModeratedItem
from tests.agents.items import order


@pytest.mark.parametrize(
    ("type_", "mask"),
    [
        ("shadow", MASK_AUTHOR_ONLY),
        ("hold", MASK_AUTHOR_ONLY),
        ("ban", MASK_ALL),
        ("delete", MASK_ALL),
        ("clear", MASK_ALL),
        ("end", MASK_ALL),
    ],
)
def test_viewers_are_not_told_who_is_shadow_banned_or_held(type_: str, mask: int) -> None:
    """The target would read it in the stream; the moderator who said so sees it."""
    item = ModeratedItem(
        **order("s", 1, type_, target="eve"), offset=1, index=0, at=5, verdict="allow", refusal=None
    )  # type: ignore[typeddict-item]
    drafts = Sequencer("e-0", 120_000).decide([item], NOTHING)
    [event] = drafts["s"].events
    assert event["mask"] == mask
