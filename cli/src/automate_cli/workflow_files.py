"""Workflows as YAML files, and of which draft each is a copy.

`.automate/SERVER.json` beside the files says it, which git ignores: so the same files go to every server. The first
line of files that older releases wrote says it too.
"""

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
from urllib.parse import quote

from automate_cli.errors import BadInputError, CommandFailedError

SLUG = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
STATE = ".automate"  #: the folder beside the files
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

    def named_workflows(self) -> set[str]:
        """The slugs of the workflows that this one calls or follows. Raises BadInputError."""
        return set(_texts_of("workflow", self.document()))

    def rev_at(self, server: str) -> int | None:
        """The `rev` of the draft of which this is a copy; None when it came from elsewhere."""
        return _revs(self.path.parent, server).get(self.path.name, self.rev if self.server == server else None)


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


def write_file(path: Path, text: str) -> None:
    """Replace the file as a whole. Raises CommandFailedError."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(text, encoding="utf-8", newline="\n")
        if path.exists():
            draft.chmod(path.stat().st_mode & 0o7777)
        draft.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise CommandFailedError(f"{path} cannot be written: {error.strerror}.") from None


def keep_rev(path: Path, rev: int, server: str) -> None:
    """Keep that the file is a copy of this draft. Raises CommandFailedError."""
    state, ignored = _state(path.parent, server), path.parent / STATE / ".gitignore"
    if not ignored.exists():
        write_file(ignored, "*\n")
    write_file(state, json.dumps(_revs(path.parent, server) | {path.name: rev}, indent=1, sort_keys=True) + "\n")


def _state(folder: Path, server: str) -> Path:
    return folder / STATE / f"{quote(server, safe='')}.json"


def _revs(folder: Path, server: str) -> dict[str, int]:
    """The draft of each file, by its name. A state that cannot be read knows none: a push then asks for a pull."""
    try:
        found = json.loads(_state(folder, server).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: rev for name, rev in found.items() if type(rev) is int} if isinstance(found, dict) else {}


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


def _texts_of(name: str, value: Any) -> Iterator[str]:
    """The texts below the key `name` anywhere in a JSON value."""
    if isinstance(value, dict):
        if isinstance(found := value.get(name), str):
            yield found
    elif not isinstance(value, list):
        return
    for each in value.values() if isinstance(value, dict) else value:
        yield from _texts_of(name, each)


def _as_text(value: Any) -> str:
    if isinstance(value, (date, datetime)):
        return value.isoformat()
    raise TypeError(f"JSON has no {type(value).__name__}")
