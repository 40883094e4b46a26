"""Every kind of harm once, on a real stack of two edges and two sequencers, and nothing is lost by it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from livecomments.nemesis import kinds
from livecomments.nemesis.clock import library
from livecomments.stack.launch import stop
from tests.real import PORTS
from tests.servers import free_port

LIMIT_SECONDS = 900
"""It takes four minutes on two idle cores."""
SEED = "1"


@pytest.mark.integration(seconds=LIMIT_SECONDS + 60)
def test_every_kind_of_fault_once_and_no_anomaly(tmp_path: Path) -> None:
    """`livecomments nemesis --faults smoke` is clean, and did enough for that to mean something."""
    base = free_port(PORTS)
    argv = ["nemesis", "--faults", "smoke", "--minutes", "2", "--viewers", "40", "--seed", SEED, "--json"]
    argv += ["--port-base", str(base), "--keep", str(tmp_path)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "livecomments", *argv],
            capture_output=True,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    finally:
        stop(tmp_path / "stack")
    said = done.stderr.decode()[-2000:]
    assert done.stdout, said
    report = json.loads(done.stdout)
    assert report["anomalies"] == {}, report["anomalies"]
    assert report["problems"] == [], said
    assert done.returncode == 0
    assert set(report["faults"]) == set(kinds.smoke_kinds(clock=library() is not None))
    assert report["counts"]["deliveries"] > 2_000
    assert report["counts"]["publishes"] > 200
