"""What `doctor` says of a real Cassandra."""

import pytest

from livecomments.stack.storecheck import archive
from schemas import settings as config
from tests.archive.conftest import in_thread

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("keyspace", "detail"), [("tests", "keyspace tests, migrated"), ("nothing", "no schema")]
)
def test_a_keyspace(cassandra: config.Cassandra, keyspace: str, detail: str) -> None:
    """One that is migrated is good; of one that is not, the remedy is to migrate."""
    at = cassandra.model_copy(update={"keyspace": keyspace})
    settings = config.Settings(archive=config.Archive(kind="cassandra"), cassandra=at)
    check = in_thread(lambda: archive(settings))
    assert detail in check.detail
    assert check.ok == (keyspace == "tests")
    assert check.ok or "livecomments migrate" in check.mend
