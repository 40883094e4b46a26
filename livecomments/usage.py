"""What a process has used, as the kernel has it. Linux."""

import os
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has had, user and kernel, all its threads together."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def rss_kib(pid: int) -> int:
    """Return the memory that a process holds; 0 for one that has ended and is not collected yet."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return next((int(row.split()[1]) for row in status.splitlines() if row.startswith("VmRSS")), 0)
