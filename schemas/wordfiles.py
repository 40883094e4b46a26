"""The platform's word lists in files: read at start, and held against the same rules as any list."""

from functools import cache
from importlib import resources
from pathlib import Path

import structlog

from schemas.filtering import parse
from schemas.settings import Moderation, SettingsError

FILES_MAX = 200
FILE_BYTES_MAX = 8 * 1024 * 1024
FAULTS_LOGGED = 20

log = structlog.get_logger()


def read(moderation: Moderation) -> tuple[str, ...]:
    """Return the rules of all lists that the settings name; lines that are no rules are told and left out.

    Raises:
        SettingsError: a file is missing, too large, or not UTF-8; with the file and the place.

    """
    files = [moderation.words_file] if moderation.words_file else []
    if moderation.words_dir is not None:
        files += _files_of(moderation.words_dir)
    texts = {path.name: _text(path) for path in files} if files else {"words.txt": _shipped()}
    rules: dict[str, None] = {}
    for name, text in texts.items():
        parsed = parse(text.splitlines())
        for fault in parsed.faults[:FAULTS_LOGGED]:
            log.warning("rule left out", list=name, line=fault.number, reason=fault.reason)
        rules |= dict.fromkeys(parsed.rules)
    return tuple(rules)


def _files_of(directory: Path) -> list[Path]:
    if not directory.is_dir():
        raise SettingsError(f"moderation.words_dir: {directory} is no directory")
    files = sorted(directory.glob("*.txt"))
    if len(files) > FILES_MAX:
        raise SettingsError(f"moderation.words_dir: {directory} has more than {FILES_MAX} lists")
    return files


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise SettingsError(f"moderation: the list {path} is larger than {FILE_BYTES_MAX} bytes")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SettingsError(f"moderation: the list {path} is not UTF-8 at byte {error.start}") from error
    except OSError as error:
        raise SettingsError(f"moderation: the list {path} cannot be read: {error.strerror}") from error


@cache
def _shipped() -> str:
    return (resources.files("schemas") / "words.txt").read_text(encoding="utf-8")
