"""The registry of topics."""

import json
import subprocess
import sys

from schemas.codec import releases
from schemas.topics import ALL, BY_NAME, META


def test_names_are_distinct_and_records_exist() -> None:
    """Each topic has one name and a released record."""
    assert len(BY_NAME) == len(ALL)
    known = {release.record for release in releases()}
    assert {topic.record for topic in ALL if topic is not META} <= known


def test_what_must_outlive_what() -> None:
    """Sequenced records outlive the longest archive outage to survive; fan-out outlives the window."""
    assert (BY_NAME["comments.sequenced"].retention_ms or 0) >= 3 * 24 * 3_600_000
    assert (BY_NAME["comments.fanout"].retention_ms or 0) >= 2 * 15 * 60_000
    for name in ("comments.submitted", "comments.ingested", "comments.moderated"):
        assert (BY_NAME[name].retention_ms or 0) >= 3_600_000


def test_origins_have_the_brokers_time() -> None:
    """The one clock: log-append time on every topic whose times decide anything."""
    for name in ("comments.submitted", "comments.sequenced", "comments.fanout"):
        assert BY_NAME[name].config()["message.timestamp.type"] == "LogAppendTime"


def test_the_kernel_imports_no_other_package() -> None:
    """`schemas` stands alone; `agents` and `edge` do not import each other."""
    code = (
        "import sys, json, pkgutil, importlib\n"
        "import {0}\n"
        "for row in pkgutil.walk_packages({0}.__path__, '{0}.'):\n"
        "    importlib.import_module(row.name)\n"
        "print(json.dumps(sorted(n.split('.')[0] for n in sys.modules)))"
    )

    def loaded(package: str) -> set[str]:
        out = subprocess.run(
            [sys.executable, "-c", code.format(package)], capture_output=True, text=True, check=True
        )
        return set(json.loads(out.stdout))

    assert not loaded("schemas") & {"agents", "edge", "livecomments"}
    assert not loaded("agents") & {"edge", "livecomments"}
    assert not loaded("edge") & {"agents", "livecomments"}
