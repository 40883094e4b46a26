"""How moderators' records look on a terminal. Pure but for the clock's zone."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from livecomments.client.text import plain


def audit_line(row: Mapping[str, Any]) -> str:
    """Return an entry of the audit (`GET …/audit`) on one line."""
    given = [
        f"{name}={plain(row[name])}"
        for name in ("target", "seconds", "reason", "settings")
        if row.get(name) is not None
    ]
    outcome = row["outcome"] if row.get("refusal") is None else f"{row['outcome']}: {row['refusal']}"
    who = f"{plain(row['actor'])} ({plain(row['role'])})"
    return f"{_time(row['at'])}  {who:<24} {plain(row['action']):<9} {' '.join(given)}  [{outcome}]"


def held_line(row: Mapping[str, Any]) -> str:
    """Return a comment that waits (`GET …/held`) on one line."""
    user = row["user"]
    name = plain(user.get("name") or user["id"])
    return f"{_time(row['at'])}  {plain(row['id'])}  {name}: {plain(row['text'])}  [{plain(row['why'])}]"


def _time(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000).astimezone():%Y-%m-%d %H:%M:%S}"
