"""An example: holds what looks typed by a cat.

Use it, or write yours in its place::

    LIVECOMMENTS_MODERATION__CLASSIFIER=agents.classifiers.example:keyboard_mashing
"""

import re
from collections.abc import Sequence
from typing import Final

_CONSONANTS: Final = re.compile(r"[bcdfghjklmnpqrstvwxz]{7,}", re.IGNORECASE)


def keyboard_mashing(texts: Sequence[str]) -> list[str]:
    """Return «hold» for texts with seven consonants in a row, else «allow»."""
    return ["hold" if _CONSONANTS.search(text) else "allow" for text in texts]
