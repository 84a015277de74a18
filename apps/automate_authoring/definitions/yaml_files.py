"""Workflows as YAML (1.2), one file each: reading a hostile file is inert, writing gives the same text each time."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)
from ruamel.yaml.nodes import MappingNode, SequenceNode
from ruamel.yaml.parser import Parser
from ruamel.yaml.scalarstring import DoubleQuotedScalarString, LiteralScalarString

from automate_core.definition.document import Definition, DefinitionError, Problem
from automate_core.definition.parsing import parse, to_document
from automate_plugins import text
from automate_plugins.texts import joined, marked

MAX_BYTES = 1_000_000
MAX_DEPTH = 150  #: of lists and mappings: steps are nested 20 deep at most, with a few of these for each
MAX_PARTS = 60_000  #: values, and beginnings and ends of lists and mappings


class WorkflowFileError(ValueError):
    """A file that is not valid YAML: `reason`, and the line where it is known."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        shown = [text("Line %(line)s", line=str(line)), marked(reason)] if line else [marked(reason)]
        super().__init__(joined(shown, ": "))
        self.reason = reason
        self.line = line


class _BoundedParser(Parser):
    """Stops at once where a text is nested too deeply, too long or has aliases.

    The scanner's work for each bracket grows with how many are open: a whole file of them would take it hours.
    """

    def __init__(self, loader: Any) -> None:
        super().__init__(loader)
        self._parts = self._depth = 0

    def get_event(self) -> Any:
        event = super().get_event()
        self._parts += 1
        if isinstance(event, (MappingStartEvent, SequenceStartEvent)):
            self._depth += 1
        elif isinstance(event, (MappingEndEvent, SequenceEndEvent)):
            self._depth -= 1
        if isinstance(event, AliasEvent):
            raise _refused_at(event, text("Aliases (*name) are not allowed."))
        if self._depth > MAX_DEPTH:
            raise _refused_at(event, text("Nested more than %(maximum)s levels deep.", maximum=MAX_DEPTH))
        if self._parts > MAX_PARTS:
            raise _refused_at(event, text("More than %(maximum)s values. Split the workflow.", maximum=MAX_PARTS))
        return event


def _refused_at(event: Any, reason: str) -> WorkflowFileError:
    return WorkflowFileError(reason, event.start_mark.line + 1)


def _yaml() -> YAML:
    yaml = YAML(typ="safe", pure=True)
    yaml.Parser = _BoundedParser
    return yaml


def read_workflow(source: str) -> Definition:
    """The definition in a YAML text. Raises WorkflowFileError, DefinitionError, both with lines."""
    document = read_yaml(source)
    try:
        return parse(document)
    except DefinitionError as error:
        raise DefinitionError(with_lines(source, error.problems)) from None


def read_yaml(source: str) -> Any:
    """Read a YAML text as JSON values. Raises WorkflowFileError."""
    if len(source) > MAX_BYTES:
        raise WorkflowFileError(text("The file is larger than %(maximum)s characters.", maximum=MAX_BYTES))
    try:
        document = _yaml().load(source)
    except WorkflowFileError:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = str(error.problem or error.context or type(error).__name__)
        reason = _reason(problem)
        raise WorkflowFileError(reason, mark.line + 1 if mark else None) from error
    except (YAMLError, ValueError, RecursionError) as error:
        lines = str(error).splitlines()
        if lines:
            raise WorkflowFileError(_reason(lines[0])) from error
        raise WorkflowFileError(text("Invalid YAML: nested too deeply.")) from error
    return _plain(document)


_NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")  #: the escape, and not a text that looks like it

_IN_OUR_WORDS = {
    "found unhashable key": text("Put quotes around a text that starts with {{: '{{ ... }}'"),
    "but found another document": text("A file can contain only one workflow."),
}

#: By how the parser's reason begins.
_YAML_FAULTS = {
    "found duplicate key": text("a key occurs twice"),
    "mapping values are not allowed here": text("put quotes around a text that contains a colon"),
    "could not find expected ':'": text("add a colon after the key"),
    "sequence entries are not allowed here": text("start the list on a new line"),
    "expected <block end>": text("check the indentation"),
    "found character": text("put quotes around a text that starts with this character"),
    "found unexpected end of stream": text("close the text with a quote"),
    "found unexpected ':'": text("put quotes around a text that contains a colon"),
    "expected the node content": text("a value is missing, or brackets are not closed"),
    "expected ',' or": text("close all brackets and braces"),
    "found unknown escape character": text("write a backslash as \\\\"),
    "unacceptable character": text("remove the control character"),
    "could not determine a constructor": text("remove the tag that starts with !"),
}


def _reason(problem: str) -> str:
    """The parser's reason in our words, without a reason where there are none."""
    if problem in _IN_OUR_WORDS:
        return _IN_OUR_WORDS[problem]
    known = next((words for start, words in _YAML_FAULTS.items() if problem.startswith(start)), None)
    if known is None:
        return text("Invalid YAML. Check the quotes, brackets and indentation.")
    return text("Invalid YAML: %(reason)s", reason=marked(known))


def with_lines(source: str, problems: Iterable[Problem]) -> list[Problem]:
    """The problems with the lines of `source`, a YAML document, that they are about."""
    root = _yaml().compose(source)
    return [replace(problem, line=_line(root, problem.path)) for problem in problems]


def _line(node: Any, path: str) -> int | None:
    """The line of the deepest node on `path`."""
    line = None
    for part in re.findall(r"[^.\[\]]+", path):
        if isinstance(node, MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
        elif isinstance(node, SequenceNode) and part.isdecimal() and int(part) < len(node.value):
            found = (node.value[int(part)],) * 2
        else:
            found = None
        if found is None:
            break
        line, node = found[0].start_mark.line + 1, found[1]
    return line


def _plain(document: Any) -> Any:
    """Only JSON's types, so that what is stored reads back the same: dates become text. Raises WorkflowFileError."""
    try:
        encoded = msgspec.json.encode(document)
        json.dumps(document, default=str, allow_nan=False)  # the encoder above makes null of an infinity
    except (TypeError, ValueError, RecursionError) as error:
        raise WorkflowFileError(
            text("The file contains a value that JSON does not support: %(reason)s", reason=str(error))
        ) from error
    if _NUL.search(encoded):
        raise WorkflowFileError(text("The file contains a NUL character."))
    return msgspec.json.decode(encoded)


def load_text(path: Path) -> str:
    """The text of a file. Raises WorkflowFileError."""
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise WorkflowFileError(
            text("The file cannot be read: %(reason)s", reason=error.strerror or type(error).__name__)
        ) from error
    except UnicodeDecodeError as error:
        raise WorkflowFileError(text("The file is not UTF-8 text.")) from error


def write_workflow(definition: Definition) -> str:
    """The YAML text of a definition; `read` gives the same definition back."""
    yaml = YAML()
    yaml.width = 120
    yaml.default_flow_style = False
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_blocks(to_document(definition)), stream)
    return stream.getvalue()


def _blocks(value: Any) -> Any:
    """Texts of several lines as block scalars, which people can read and compare, where YAML gives them back whole."""
    if isinstance(value, dict):
        return {_blocks(key): _blocks(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_blocks(item) for item in value]
    if not isinstance(value, str) or value.isprintable():
        return value
    lines = value.split("\n")
    whole = all(line.isprintable() and not line.endswith(" ") for line in lines)
    return LiteralScalarString(value) if whole and lines[0].strip() else DoubleQuotedScalarString(value)
