"""What the API's tests get."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.fakes import World, world


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[World]:
    """Make an API with everything behind it faked but the archive, which is a real file."""
    async with world(tmp_path) as made:
        yield made
