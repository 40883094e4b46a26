"""The command line: a table of verbs, each imported only when it is used.

To add a verb, write a function with Typer annotations (or a ``typer.Typer`` for a group) in a module of
your own and name it in :data:`VERBS`. Keep heavy imports (Faust, FastAPI, the servers' clients) inside the
function. ``livecomments --help`` imports none of the modules: it reads the verbs' docstrings in their source,
so that one broken module does not take the others' help with it.
"""

import ast
import errno
import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, NoReturn

import typer
import typer.core
import typer.main

from livecomments import __version__
from livecomments.exits import Exit, Failure, epilog

VERBS: dict[str, str] = {
    "up": "livecomments.stack.commands:up",
    "down": "livecomments.stack.commands:down",
    "status": "livecomments.stack.commands:status",
    "doctor": "livecomments.stack.commands:doctor",
    "top": "livecomments.operate.top:top",
    "trace": "livecomments.operate.trace:trace",
    "capacity": "livecomments.operate.capacity:capacity",
    "config": "livecomments.config:app",
    "token": "livecomments.client.commands:token",
    "revoke": "livecomments.revoke:revoke",
    "send": "livecomments.client.commands:send",
    "tail": "livecomments.client.commands:tail",
    "replay-log": "livecomments.client.replaying:replay_log",
    "mod": "livecomments.client.mod:app",
    "demo": "livecomments.client.demo:demo",
    "topics": "livecomments.topics:app",
    "topology": "livecomments.graph:topology",
    "migrate": "livecomments.archive:migrate",
    "archive": "livecomments.archive:app",
    "export": "livecomments.export.command:export",
    "erase": "livecomments.archive:erase",
    "bench": "livecomments.bench:app",
    "simulate": "livecomments.simulate.commands:app",
    "verify": "livecomments.verify.commands:verify",
    "nemesis": "livecomments.nemesis.commands:nemesis",
    "loadtest": "livecomments.loadtest.command:loadtest",
    "stage": "livecomments.processes:stage",
    "edge": "livecomments.processes:edge",
    "api": "livecomments.processes:api",
}
"""Verb → ``module:attribute``, in the order of ``--help``."""


class LazyVerbs(typer.core.TyperGroup):
    """A group of commands that imports a command's module when the command is asked for."""

    verbs: ClassVar[Mapping[str, str]] = VERBS
    """A group below the top one names its own."""
    _listing = False

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write ``--help`` of the whole, from the verbs' summaries."""
        self._listing = True
        super().format_help(ctx, formatter)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - the base class names it
        """Return the verbs in the order of the table."""
        return list(self.verbs)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - the same
        """Import and return a verb's command, or None for an unknown verb."""
        if cmd_name not in self.verbs:
            return None
        if self._listing:
            return typer.core.TyperCommand(cmd_name, help=summary(self.verbs[cmd_name]))
        command = _command(self.verbs[cmd_name])
        command.name = cmd_name
        return command


def _command(target: str) -> Any:
    module, _, attribute = target.partition(":")
    found = getattr(importlib.import_module(module), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_command(found)
    alone = typer.Typer(add_completion=False)
    alone.command(help=_paragraphs(found.__doc__ or ""))(found)
    return typer.main.get_command(alone)


def _paragraphs(text: str) -> str:
    """Undo the source's line breaks, which Typer would keep; the terminal has its own width."""
    return "\n\n".join(" ".join(each.split()) for each in inspect.cleandoc(text).split("\n\n"))


def summary(target: str) -> str:
    """Return the first line of a verb's docstring, or for a group its module's, without importing it."""
    module, _, attribute = target.partition(":")
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return ""
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    functions = [each for each in tree.body if isinstance(each, ast.FunctionDef) and each.name == attribute]
    said = ast.get_docstring(functions[0] if functions else tree) or ""
    first = re.sub(r"^``livecomments \w+``: ", "", said.split("\n\n")[0]).replace("``", "")
    return " ".join((first[:1].upper() + first[1:]).split())


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"livecomments {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="livecomments",
    cls=LazyVerbs,
    epilog=epilog(),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.callback()
def livecomments(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Real-time comments behind live video: one order for all, catch-up without gaps, fair sampling.

    Start with [bold]livecomments up[/bold], look with [bold]livecomments status[/bold], stop with
    [bold]livecomments down[/bold]; [bold]livecomments doctor[/bold] says what is wrong and how to mend it.

    Settings come from LIVECOMMENTS_… in the environment over livecomments.toml in the working directory.
    Every verb that talks to a stack takes --port-base and --data to say which one.
    """


def main() -> NoReturn:
    """Run the command line; every expected fault becomes one line on stderr and its exit code."""
    try:
        app(prog_name="livecomments")
    except Failure as failure:
        _tell(failure.message, *failure.details)
        sys.exit(failure.code)
    except KeyboardInterrupt:
        _tell("stopped")
        sys.exit(Exit.INTERRUPTED)
    except BrokenPipeError:  # the reader of our output went away, as `| head` does
        sys.stderr.close()
        sys.exit(Exit.OK)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        _tell(f"no space left on the disk of {error.filename or 'the data directory'}: free some")
        sys.exit(Exit.DISK_FULL)
    except Exception as error:
        if type(error).__name__ != "SettingsError":  # named, so that its module is not imported for --help
            raise
        _tell(*str(error).splitlines())
        sys.exit(Exit.SETTINGS)
    sys.exit(Exit.OK)


def _tell(message: str, *details: str) -> None:
    print(f"livecomments: {message}", file=sys.stderr)
    for line in details:
        print(f"  {line}", file=sys.stderr)
