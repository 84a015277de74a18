"""From the text of a `connector.yaml` to a checked connector, or to its faults with their lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from automate_connectors.declared.document import Document
from automate_connectors.declared.loading import build_document
from automate_connectors.declared.parsing import Fault, FaultyDocumentError
from automate_connectors.declared.yaml_files import DocumentError, line_of
from automate_plugins import text
from automate_plugins.registry import Registry
from automate_plugins.texts import plain

OPENAPI_FILE = "openapi.json"  #: the name by which a text refers to its OpenAPI document


@dataclass(frozen=True)
class TextFault:
    """Something that is wrong in a text, and its line where that is known."""

    reason: str
    line: int | None = None


class FaultyTextError(ValueError):
    """A text that makes no connector."""

    def __init__(self, faults: list[TextFault]) -> None:
        super().__init__(faults[0].reason)
        self.faults = faults


@dataclass(frozen=True)
class BuiltConnector:
    """A checked connector: its document, and the JSON of its value with all operations written out."""

    document: Document
    definition: str


def build(written: str, openapi: bytes | None) -> BuiltConnector:
    """Return the connector of a text, which may take operations from the document `openapi`. Raises FaultyTextError."""
    source = written.encode("utf-8", "replace")

    def read_beside(name: str) -> bytes:
        if openapi is None or name != OPENAPI_FILE:
            raise DocumentError(text("There is no OpenAPI document. Add one, or write the action out."))
        return openapi

    try:
        value, document = build_document(source, read_beside)
        return BuiltConnector(document, msgspec.json.encode(value, enc_hook=plain).decode())
    except DocumentError as error:
        raise FaultyTextError([TextFault(error.reason, error.line)]) from error
    except FaultyDocumentError as error:
        raise FaultyTextError(_located(source, error.faults)) from error
    except (OverflowError, ValueError) as error:  # a number or a character that JSON does not hold
        raise FaultyTextError([TextFault(str(error))]) from error


def check_code(document: Document, written: str, *, code: str, taken: set[str]) -> None:
    """Raise FaultyTextError for a code that is taken, or is not that of the connector whose version it is."""
    reason = ""
    if code and document.code != code:
        reason = text("The code of a connector cannot change: it is %(code)s.", code=code)
    elif not code and document.code in taken:
        reason = text("The code %(code)s is already used by another connector.", code=document.code)
    if reason:
        raise FaultyTextError(_located(written.encode("utf-8", "replace"), [Fault(("code",), reason)]))


def installed_codes(registry: Registry[Any]) -> set[str]:
    """Return the codes of the connectors that come with Automate, with packages and in files."""
    return {plugin.name for plugin in registry.installed}


def _located(source: bytes, faults: list[Fault]) -> list[TextFault]:
    return [TextFault(fault.reason, line_of(source, fault.place)) for fault in faults]
