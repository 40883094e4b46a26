"""How the stack's verbs look: progress and colour on a terminal, plain lines elsewhere."""

from collections.abc import Iterable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from livecomments.stack.findings import Check
from livecomments.stack.inspection import StackStatus
from livecomments.stack.spec import Plan
from livecomments.stack.supervisor import Event, Report


class Display:
    """Shows a start. Everything goes to stderr: stdout is for data."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars = Progress(
            SpinnerColumn(finished_text="[green]✓[/]"),
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("[dim]{task.fields[note]}[/]"),
            TimeElapsedColumn(),
            console=self._console,
            transient=False,
            disable=not self._console.is_terminal,
        )
        self._tasks: dict[str, TaskID] = {}
        self._last_step = ""

    def __enter__(self) -> Self:
        """Begin to draw."""
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop drawing, so that a message after it stands alone."""
        self._bars.stop()

    def progress(self, label: str, done: int, total: int) -> None:
        """Show the steps of a download; see ``packages.Progress``."""
        if self._bars.disable:
            if label != self._last_step:
                self._line(label)
            self._last_step = label
            return
        name = label.partition(":")[0]
        task = self._task(name)
        self._bars.update(task, total=total or None, completed=done, note=f"{done}/{total}" if total else "")

    def reporter(self, plan: Plan, hint: str, *, foreground: bool) -> Report:
        """Return what shows a supervisor's events."""
        addresses = {each.name: each.address for each in plan.services()}

        def report(event: Event) -> None:
            match event.kind:
                case "starting":
                    self._starting(event.name)
                case "ready":
                    self._ready(event, addresses.get(event.name, ""))
                case "ended":
                    self._line(f"[yellow]{event.name} {event.message}[/]; starting it again")
                case "killed":
                    self._line(f"[yellow]{event.name} {event.message} and was killed[/]")
                case "up":
                    self._bars.stop()
                    self._up(plan, event.seconds, f"stop with {'Ctrl-C' if foreground else hint}")
                case "stopping" if foreground:
                    self._line("stopping …")
                case "stopped" if foreground:
                    self._line("stopped")

        return report

    def _starting(self, name: str) -> None:
        if not self._bars.disable:
            self._task(name)

    def _ready(self, event: Event, address: str) -> None:
        if self._bars.disable:
            self._line(f"{event.name} ready after {event.seconds:.1f} s{f' at {address}' if address else ''}")
        else:
            self._bars.update(self._task(event.name), total=1, completed=1, note=address)

    def _up(self, plan: Plan, seconds: float, stop: str) -> None:
        edge, api = (
            next((each.address for each in plan.services() if each.name == name), "")
            for name in ("edge", "api")
        )
        self._line(f"[bold green]up[/] after {seconds:.1f} s; data and logs in {plan.directory}")
        if edge:
            self._line(f"  page  [bold]http://{edge}/[/]")
        if api:
            self._line(f"  API   http://{api}/v1/, described at http://{api}/docs")
        self._line(f"  {stop}")

    def _task(self, name: str) -> TaskID:
        if name not in self._tasks:
            self._tasks[name] = self._bars.add_task(name, total=None, note="")
        return self._tasks[name]

    def _line(self, text: str) -> None:
        self._console.print(text)


def print_status(found: StackStatus) -> None:
    """Show the services as a table on stdout."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False)
    for heading in ("service", "pid", "address", "ready", "restarts", ""):
        table.add_column(heading, justify="right" if heading in ("pid", "restarts") else "left")
    for each in found.services:
        ready = "[green]ready[/]" if each.ready else "[red]no[/]"
        phase = "" if each.ready else f"[dim]{each.phase}[/]"
        table.add_row(each.name, str(each.pid or "–"), each.address, ready, str(each.restarts), phase)
    console.print(table)
    if not found.runs:
        console.print(f"no stack runs in {found.directory}: start one with `livecomments up`")


def print_checks(checks: Iterable[Check]) -> None:
    """Show what doctor found, a line a check, and under a bad one how to mend it."""
    console = Console(highlight=False, soft_wrap=True)
    for check in checks:
        mark = "[green]✓[/]" if check.ok else "[red]✗[/]"
        console.print(f"{mark} [bold]{check.name}[/]  {check.detail}", markup=True)
        if not check.ok:
            console.print(f"    → {check.mend}", markup=False)
