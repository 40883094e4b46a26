"""How often each user is connected to an edge, and whether once more is too often."""


class Registry:
    """See the module."""

    def __init__(self, per_user_max: int) -> None:
        self._per_user_max = per_user_max
        self._counts: dict[str, int] = {}

    def enter(self, user_id: str) -> bool:
        """Count one more; False: that would be too many."""
        count = self._counts.get(user_id, 0)
        if count >= self._per_user_max:
            return False
        self._counts[user_id] = count + 1
        return True

    def leave(self, user_id: str) -> None:
        """Count one less."""
        count = self._counts.get(user_id, 0) - 1
        if count > 0:
            self._counts[user_id] = count
        else:
            self._counts.pop(user_id, None)

    @property
    def users(self) -> int:
        """How many different users are connected."""
        return len(self._counts)
