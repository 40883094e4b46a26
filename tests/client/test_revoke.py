"""The verb that revokes tokens."""

import json
import subprocess
import sys

import pytest

from livecomments.exits import Exit
from tests.real import environment
from tests.servers import redis_server


def run(*arguments: str, url: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "livecomments", "revoke", *arguments],
        env=environment(LIVECOMMENTS_REDIS__URL=url), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


@pytest.mark.integration
def test_what_is_revoked_is_said() -> None:
    """Both kinds at once, with the time by Redis's clock."""
    with redis_server() as url:
        done = run("--user", "bo", "--token-id", "t1", "--json", url=url)
        assert done.returncode == 0, done.stderr
        said = json.loads(done.stdout)
        assert said["revoked"] == ["user:bo", "token:t1"]
        assert said["at"] > 1_700_000_000_000
        assert run("--user", "bo", url=url).stdout == "revoked: user:bo\n"


def test_nothing_to_revoke_is_a_mistake() -> None:
    """One has to say which tokens."""
    assert run(url="redis://127.0.0.1:1/0").returncode == Exit.USAGE


def test_redis_away_says_that_nothing_was_revoked() -> None:
    """Nobody is left to believe that somebody is out."""
    done = run("--user", "bo", url="redis://127.0.0.1:1/0")
    assert done.returncode == Exit.NOT_RUNNING
    assert "nothing was revoked" in done.stderr
