"""``livecomments config``: every setting, what it means, what holds here, and whether that is allowed."""

import json
import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import BaseModel, TypeAdapter
from pydantic.fields import FieldInfo

from livecomments.exits import Exit, Failure
from livecomments.options import Json
from schemas.settings import FILE_NAME, Settings, environment_name, load

WIDTH = 100
REDACTED = "…"

app = typer.Typer(help="Settings: write a commented file, show what holds, check it.", no_args_is_help=True)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting as people see it. ``allowed``: in words; empty where any value of the type is."""

    path: tuple[str, ...]
    doc: str
    default: Any
    allowed: str
    secret: bool

    @property
    def name(self) -> str:
        """As in the file: ``edge.window_ms``."""
        return ".".join(self.path)

    def to_json(self) -> dict[str, Any]:
        """Return what ``config doc --json`` prints of it."""
        return {
            "name": self.name,
            "environment": environment_name(self.path),
            "default": REDACTED if self.secret else plain(self.default),
            "allowed": self.allowed,
            "doc": self.doc,
        }


@app.command()
def init(force: bool = typer.Option(False, "--force", help="Replace a file that is there.")) -> None:
    """Write a livecomments.toml with every setting, its meaning and its default, all commented out."""
    path = Path.cwd() / FILE_NAME
    if path.exists() and not force:
        raise Failure(Exit.USAGE, f"{path} is there already: change that, or replace it with --force")
    path.write_text(document(), encoding="utf-8")
    typer.echo(f"wrote {path}")


@app.command()
def show(json_: Json = False) -> None:
    """Show what holds here: defaults, the file and the environment together. Secrets are not shown."""
    settings = load()
    file = in_file(Path.cwd() / FILE_NAME)
    rows = [(each, value_of(settings, each.path), source(each, os.environ, file)) for each in every()]
    if json_:
        values = {each.name: REDACTED if each.secret else plain(value) for each, value, _ in rows}
        typer.echo(json.dumps(values))
        return
    for each, value, where in rows:
        shown = REDACTED if each.secret else literal(value)
        typer.echo(f"{each.name:<42} {shown or '(unset)':<42} {where}".rstrip())


@app.command()
def check(json_: Json = False) -> None:
    """Check the file and the environment; says what is wrong, and exits with 3."""
    load()  # raises SettingsError, which the command line turns into its lines and code
    typer.echo(json.dumps({"ok": True}) if json_ else "the settings are valid")


@app.command()
def doc(json_: Json = False) -> None:
    """Explain every setting: its name in the environment, default, what is allowed."""
    if json_:
        typer.echo(json.dumps([each.to_json() for each in every()]))
        return
    for each in every():
        typer.echo(f"{each.name} ({environment_name(each.path)})")
        default = REDACTED if each.secret else literal(each.default)
        typer.echo(f"    {each.doc}")
        typer.echo(f"    default: {default or '(unset)'}{f'; {each.allowed}' if each.allowed else ''}")


def every(model: type[BaseModel] = Settings, at: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Yield the settings, in the order of `schemas.settings`."""
    for name, field in model.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            yield from every(section, (*at, name))
        else:
            default = field.get_default(call_default_factory=True)
            words = " ".join((field.description or "").split())
            yield Setting((*at, name), words, default, _allowed(field), secret=not field.repr)


def document() -> str:
    """Return the commented file."""
    lines = [
        "# Settings of livecomments. What is commented out is the default.",
        "# LIVECOMMENTS_SECTION__NAME in the environment goes over it; `livecomments config check` checks.",
    ]
    section = ""
    for each in sorted(every(), key=lambda each: len(each.path) > 1):
        *at, name = each.path
        if ".".join(at) != section:
            section = ".".join(at)
            words = " ".join((Settings.model_fields[at[0]].annotation.__doc__ or "").split())
            lines += ["", f"[{section}]", *_comment(words)]
        lines += ["", *_comment(each.doc + (f" ({each.allowed})" if each.allowed else ""))]
        lines.append(f"# {name} = {'' if each.secret else literal(each.default)}".rstrip())
    return "\n".join(lines) + "\n"


def value_of(settings: BaseModel, path: tuple[str, ...]) -> Any:
    """Return a setting's value."""
    value: Any = settings
    for name in path:
        value = getattr(value, name)
    return value


def source(setting: Setting, environ: Mapping[str, str], file: Mapping[str, Any]) -> str:
    """Say where a value comes from; nothing for a default."""
    if environment_name(setting.path) in environ:
        return "environment"
    section: Any = file
    for name in setting.path:
        if not isinstance(section, dict) or name not in section:
            return ""
        section = section[name]
    return FILE_NAME


def in_file(path: Path) -> Mapping[str, Any]:
    """Return what the file says; it was read once already, so it is good."""
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


def plain(value: Any) -> Any:
    """Return a value as JSON has it."""
    if isinstance(value, Path):
        return str(value)
    return list(value) if isinstance(value, tuple) else value


def literal(value: Any) -> str:
    """Return a value as TOML has it; nothing for None, which TOML has not."""
    return "" if value is None else json.dumps(plain(value), ensure_ascii=False)


def _allowed(field: FieldInfo) -> str:
    schema = _schema(field)
    options = schema.get("enum") or [each["const"] for each in schema.get("anyOf", []) if "const" in each]
    if options:
        return "one of " + ", ".join(map(str, options))
    low, high = schema.get("minimum", schema.get("exclusiveMinimum")), schema.get("maximum")
    if low is not None and high is not None:
        return f"{low} to {high}"
    if low is not None:
        return f"more than {low}" if "exclusiveMinimum" in schema else f"at least {low}"
    return f"at least {schema['minLength']} characters" if "minLength" in schema else ""


def _schema(field: FieldInfo) -> dict[str, Any]:
    annotation: Any = field.annotation
    for each in field.metadata:
        annotation = Annotated[annotation, each]
    return TypeAdapter(annotation).json_schema()


def _comment(text: str) -> Iterator[str]:
    line = "#"
    for word in text.replace("``", "").split():
        if len(line) + 1 + len(word) > WIDTH:
            yield line
            line = "#"
        line += f" {word}"
    if line != "#":
        yield line
