"""Workflows as YAML (1.2), one file each: reading a hostile file is inert, writing gives the same text each time."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent
from ruamel.yaml.scalarstring import LiteralScalarString

from automate_core.definition import Definition, parse, to_document

MAX_BYTES = 1_000_000


class WorkflowFileError(ValueError):
    """A file that cannot be read as YAML, with the line where it can be told."""


def read(text: str) -> Definition:
    """The definition in a YAML text. Raises WorkflowFileError, DefinitionError."""
    if len(text) > MAX_BYTES:
        raise WorkflowFileError(f"larger than {MAX_BYTES:,} characters")
    try:
        if any(isinstance(event, AliasEvent) for event in YAML(typ="safe", pure=True).parse(text)):
            raise WorkflowFileError("aliases (*name) are not allowed")
        document = YAML(typ="safe", pure=True).load(text)
    except WorkflowFileError:
        raise
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}: " if mark else ""
        raise WorkflowFileError(f"{where}{error.problem or error.context or 'not YAML'}") from error
    except (YAMLError, ValueError, RecursionError) as error:
        raise WorkflowFileError(
            f"not YAML: {str(error).splitlines()[0] if str(error) else 'nested too deeply'}"
        ) from error
    return parse(_plain(document))


def _plain(document: Any) -> Any:
    """Only JSON's types, so that what is stored reads back the same: dates become text. Raises WorkflowFileError."""
    try:
        encoded = msgspec.json.encode(document)
    except (TypeError, ValueError, RecursionError) as error:
        raise WorkflowFileError(f"holds what JSON cannot: {error}") from error
    if b"\\u0000" in encoded:
        raise WorkflowFileError("holds a NUL character")
    return msgspec.json.decode(encoded)


def read_file(path: Path) -> Definition:
    """The definition in a YAML file. Raises WorkflowFileError, DefinitionError."""
    try:
        return read(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WorkflowFileError(error.strerror or "cannot be read") from error
    except UnicodeDecodeError as error:
        raise WorkflowFileError("not UTF-8 text") from error


def write(definition: Definition) -> str:
    """The YAML text of a definition; `read` gives the same definition back."""
    yaml = YAML()
    yaml.width = 120
    yaml.default_flow_style = False
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_blocks(to_document(definition)), stream)
    return stream.getvalue()


def _blocks(value: Any) -> Any:
    """Texts of several lines as block scalars, which people can read and compare."""
    if isinstance(value, dict):
        return {key: _blocks(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_blocks(item) for item in value]
    if isinstance(value, str) and "\n" in value and not any(line.endswith((" ", "\t")) for line in value.split("\n")):
        return LiteralScalarString(value)
    return value
