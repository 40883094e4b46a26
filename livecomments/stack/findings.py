"""What ``doctor`` says: one finding a check, with the remedy where it is bad."""

from collections.abc import Callable
from dataclasses import asdict, dataclass

from livecomments.exits import Failure


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; ``mend`` says what to do where it is bad."""

    name: str
    ok: bool
    detail: str
    mend: str = ""

    def to_json(self) -> dict[str, object]:
        """Return it for ``--json``."""
        return asdict(self)


def look_at(name: str, look: Callable[[], str], mend: str) -> Check:
    """Run a look that raises where something is wrong."""
    try:
        return Check(name, True, look())
    except Failure as failure:
        return Check(name, False, failure.message, mend)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the finding
        return Check(name, False, f"{type(error).__name__}: {error}", mend)
