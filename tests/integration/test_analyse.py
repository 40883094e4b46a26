"""The stage `analyse` as a process of its own beside a real stack, and what the API answers of it."""

import json
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from edge.auth import Authenticator
from livecomments.stack.addresses import stack_settings
from livecomments.stack.plan import stack_environment
from schemas.settings import Auth
from tests.real import RealStack, environment
from tests.servers import free_port
from tests.stack.helpers import wait_until

pytestmark = pytest.mark.integration
LIMIT_SECONDS = 60


@contextmanager
def analyse(stack: RealStack, log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker; kill it in the end."""
    settings = stack_environment(stack_settings(stack.port_base, stack.data, {}))
    health = {"LIVECOMMENTS_STAGE__HEALTH_PORT": str(free_port())}
    with (
        log.open("ab") as file,
        subprocess.Popen(
            [sys.executable, "-m", "livecomments", "stage", "analyse"],
            env=environment(**settings, **health),
            cwd=stack.data,
            stdout=file,
            stderr=file,
        ) as process,
    ):
        try:
            yield process
        finally:
            process.kill()


def counted(stack: RealStack, stream: str) -> dict[str, Any]:
    """Return what the API answers a moderator; of a stream that nobody opened or counted it knows nothing."""
    token = Authenticator(Auth()).mint("mo", stream, "moderator", 600)
    request = urllib.request.Request(
        f"http://{stack.api}/v1/streams/{stream}/analytics", headers={"authorization": f"Bearer {token}"}
    )
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_SECONDS) as answer:  # noqa: S310 - our own
            found: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == HTTPStatus.NOT_FOUND:
                return {"minutes": []}
            raise
    return found


def test_what_is_said_is_counted_also_across_a_crash(stack: RealStack, tmp_path: Path) -> None:
    """Once each, whatever happened to the worker in between."""
    stream, log = f"counted-{uuid.uuid4().hex[:8]}", tmp_path / "analyse.log"

    def say(count: int) -> None:
        for number in range(count):
            sent = stack.run("send", stream, f"encore {number}", "--user", f"{stream}-{uuid.uuid4().hex[:6]}")
            assert sent.returncode == 0, sent.stderr

    def comments() -> int:
        return sum(minute["comments"] for minute in counted(stack, stream)["minutes"])

    say(2)
    with analyse(stack, log) as first:
        wait_until(lambda: comments() == 2)
        say(1)
        first.kill()
    with analyse(stack, log):
        say(1)
        wait_until(lambda: comments() == 4)
    found = counted(stack, stream)
    assert sum(minute["authors"] for minute in found["minutes"]) == 4
    assert b"fatal" not in log.read_bytes()
