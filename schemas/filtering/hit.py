"""What a list says of a text that it does not let pass."""

from typing import NamedTuple

from schemas.filtering.folding import names_of
from schemas.filtering.rules import Rule


class Hit(NamedTuple):
    """A rule that a text breaks. ``form``: `folding.PLAIN` for the text as it stands."""

    rule: Rule
    form: int

    @property
    def disguises(self) -> tuple[str, ...]:
        """What had to be undone to see it: "look-alikes", "separators", "leet", "repeats"."""
        return names_of(self.form)
