"""Documents in YAML 1.2 or JSON: JSON values alone, bounded in size, depth and number, with lines for their faults."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml
from yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from yaml.nodes import MappingNode, SequenceNode

from automate_egress.work_limit import WorkLimit
from automate_plugins import text

MAX_BYTES = 1_000_000
MAX_DEPTH = 100  #: of lists and mappings
MAX_PARTS = 2_000_000  #: values, and beginnings and ends of lists and mappings
READ_SECONDS = 10.0  #: of computing for one document
_SHORT = 200_000  #: bytes of a text without aliases that cannot cost much
_ALIAS = re.compile(r"(?:^|[\s\[{,:-])[*&]\S")

_TOO_MANY = text("More than %(maximum)s values.", maximum=MAX_PARTS)

type Place = Sequence[str | int]


class DocumentError(ValueError):
    """A document that cannot be used: `reason` for people, and the line where it is known."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.line = line


def work_limit(most: int, exceeded: str) -> WorkLimit:
    """Return a limit of work on one document, in number and in computing time of this thread.

    It raises DocumentError, with the message `exceeded` beyond the number.
    """
    began = time.thread_time()

    def check() -> None:
        if time.thread_time() - began > READ_SECONDS:
            raise DocumentError(text("The document takes too long to read."))

    return WorkLimit(most, remaining=check, exceeded=lambda: DocumentError(exceeded))


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # in C where libyaml is there
    """The core schema of YAML 1.2: `no` and `on` are texts, and so are dates; keys are texts, each of them once."""

    yaml_implicit_resolvers: dict[str, Any] = {}
    yaml_constructors = {  # of JSON's types alone
        tag: make
        for tag, make in yaml.SafeLoader.yaml_constructors.items()
        if tag is None or str(tag).rpartition(":")[2] in {"null", "bool", "float", "str", "seq"}
    }

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[str, Any]:
        """Return the mapping. Raises DocumentError."""
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if isinstance(key, bool | int | float):
                key = str(key_node.value)
            if not isinstance(key, str):
                raise DocumentError(text("A key must be a text."), line)
            if key in found:
                raise DocumentError(text("The key %(name)s occurs twice.", name=key), line)
            found[key] = self.construct_object(value_node, deep=True)
        return found

    def construct_yaml_map(self, node: Any) -> dict[str, Any]:
        """Return the mapping at once: there are no aliases that would need it in two steps."""
        return self.construct_mapping(node, deep=True)


for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", list("-+0123456789.")),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)
_Loader.add_constructor("tag:yaml.org,2002:map", _Loader.construct_yaml_map)
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))


def read_document(source: bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """Return the value of a document; one that begins with `{` is read as JSON first. Raises DocumentError."""
    if len(source) > max_bytes:
        raise DocumentError(text("The file is larger than %(size)s MB.", size=max_bytes // 1_000_000))
    if source.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        if sum(map(source.count, (b",", b"{", b"["))) > MAX_PARTS:  # before anything is made of them
            raise DocumentError(_TOO_MANY)
        try:
            return msgspec.json.decode(source.removeprefix(b"\xef\xbb\xbf"))
        except RecursionError:
            raise _too_deep(None) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            if len(source) > _SHORT:
                raise DocumentError(text("The file is not valid JSON.")) from None
    try:
        return _read_yaml(source.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise DocumentError(text("The file is not UTF-8 text.")) from None


def read_file(path: Path, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return the bytes of a file, and no more than one too many. Raises DocumentError."""
    try:
        with path.open("rb") as file:
            return file.read(max_bytes + 1)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise DocumentError(text("The file cannot be read: %(reason)s", reason=reason)) from error


def read_own_file(path: Path) -> Any:
    """Return the value of a file that this package brings: unlike others, it may use aliases."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 - a safe loader of our own


def line_of(source: bytes, place: Place) -> int | None:
    """Return the line of the deepest node on `place`; None where the document cannot be read."""
    try:
        node: Any = yaml.compose(source.decode("utf-8-sig"), Loader=_Loader)
    except (yaml.YAMLError, ValueError, RecursionError):
        return None
    line: int | None = node.start_mark.line + 1 if node is not None else None
    for part in place:
        if isinstance(node, MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
            found = (node.value[part],) * 2
        else:
            found = None
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _read_yaml(source: str) -> Any:
    try:
        if len(source) > _SHORT or _ALIAS.search(source):
            _check_events(source)
        return yaml.load(source, Loader=_Loader)  # noqa: S506 - a safe loader of our own
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = text("Invalid YAML: %(reason)s", reason=str(error.problem or error.context))
        raise DocumentError(reason, mark.line + 1 if mark else None) from error
    except yaml.YAMLError as error:
        reason = str(error).partition("\n")[0]
        raise DocumentError(text("Invalid YAML: %(reason)s", reason=reason)) from error
    except RecursionError:
        raise _too_deep(None) from None
    except DocumentError:
        raise
    except ValueError as error:  # a number of thousands of digits
        raise DocumentError(text("Invalid YAML: %(reason)s", reason=str(error))) from error


def _check_events(source: str) -> None:
    """Raise DocumentError for a text that would cost more than its length says, before anything is made of it."""
    depth, limit = 0, work_limit(MAX_PARTS, _TOO_MANY)
    for event in yaml.parse(source, Loader=_Loader):
        limit.spend()
        line = event.start_mark.line + 1 if event.start_mark else None
        if isinstance(event, AliasEvent):
            raise DocumentError(text("Aliases (*name) are not allowed."), line)
        depth += isinstance(event, CollectionStartEvent)
        depth -= isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise _too_deep(line)


def _too_deep(line: int | None) -> DocumentError:
    return DocumentError(text("Nested more than %(maximum)s levels deep.", maximum=MAX_DEPTH), line)
