"""The word filter: lists in, verdicts on texts out. Pure, and the same for `moderate` and the API's dry run.

`parse` reads a list and says what is wrong with it, `WordList` looks for all its rules at once, in the
text as it stands and in what it spells when disguises are undone. The text itself is never altered.
"""

from schemas.filtering.hit import Hit
from schemas.filtering.rules import ListFault, Parsed, Rule, parse, parse_list
from schemas.filtering.wordlist import WordList, build

__all__ = ["Hit", "ListFault", "Parsed", "Rule", "WordList", "build", "parse", "parse_list"]
