"""Workflows as YAML files: the first line of a pulled file says of which draft it is a copy."""

from __future__ import annotations

import contextlib
import difflib
import json
import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from automate_api.cli.errors import BadInputError, CommandFailedError

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_ORIGIN = re.compile(r"# automate: draft (\d{1,9}) of (\S+)\r?\n")


@dataclass(frozen=True)
class WorkflowFile:
    """A file, its text below the line of its origin, and that origin: the server, and the `rev` of its draft."""

    path: Path
    text: str
    rev: int | None = None
    server: str | None = None
    whole: str = ""  #: with the first line, so that errors name the lines of the file

    @property
    def slug(self) -> str:
        """The workflow's. Raises BadInputError."""
        document = self.document()
        slug = document.get("slug")
        if not isinstance(slug, str) or not SLUG.fullmatch(slug):
            raise BadInputError(f"{self.path}: the file needs a slug of lowercase letters, digits and single dashes.")
        return slug

    def document(self) -> dict[str, Any]:
        """What the YAML says, as JSON values. Raises BadInputError, with the line."""
        try:
            document = _read_yaml(self.whole)
        except ValueError as error:
            raise BadInputError(f"{self.path}: {error}") from None
        if not isinstance(document, dict):
            raise BadInputError(f"{self.path}: the file must be a mapping with the fields of a workflow.")
        return document

    def rev_at(self, server: str) -> int | None:
        """The `rev` of the draft of which this is a copy; None when it came from elsewhere."""
        return self.rev if self.server == server else None


def read_file(path: Path) -> WorkflowFile:
    """Raises BadInputError."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadInputError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise BadInputError(f"{path} is not UTF-8 text.") from None
    if origin := _ORIGIN.match(text):
        return WorkflowFile(path, text[origin.end() :], int(origin[1]), origin[2], text)
    return WorkflowFile(path, text, whole=text)


def write_file(path: Path, text: str, *, rev: int, server: str) -> None:
    """Replace the file as a whole. Raises CommandFailedError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(f"# automate: draft {rev} of {server}\n{text}", encoding="utf-8", newline="\n")
        if path.exists():
            draft.chmod(path.stat().st_mode & 0o7777)
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise CommandFailedError(f"{path} cannot be written: {error.strerror}.") from None


def path_for(name: str, folder: Path = Path()) -> Path:
    """The file of a workflow: a path as it is, or `SLUG.yaml` for a slug."""
    return folder / f"{name}.yaml" if SLUG.fullmatch(name) else Path(name)


def differences(file: WorkflowFile, ours: str, theirs: str, name: str) -> Iterator[str]:
    """A unified diff from `theirs`, called `name`, to `ours`, which is what the file says."""
    return difflib.unified_diff(theirs.splitlines(), ours.splitlines(), name, str(file.path), lineterm="")


def _read_yaml(text: str) -> Any:
    """JSON values, dates among them as text. Raises ValueError with the line."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return json.loads(json.dumps(YAML(typ="safe", pure=True).load(text), default=_as_text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{line}{error.problem or error.context or 'invalid YAML'}") from None
    except (YAMLError, TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"invalid YAML: {error}") from None


def _as_text(value: Any) -> str:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise TypeError(f"JSON has no {type(value).__name__}")
