"""Declared connectors of files: those that this package brings, a project's own, and those of plug-in packages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, entry_points
from pathlib import Path
from typing import Any, cast

import msgspec

from automate_connectors.adapters.airtable import AirtableTables
from automate_connectors.adapters.google.calendar import CalendarChannels
from automate_connectors.adapters.google.drive import DriveChannels
from automate_connectors.adapters.google.mail import GmailMessages
from automate_connectors.adapters.google.sheets import SheetRows
from automate_connectors.adapters.notion import NotionDataSources
from automate_connectors.declared.adapter import DeclaredConnector, declare
from automate_connectors.declared.checks import faults
from automate_connectors.declared.document import Document
from automate_connectors.declared.extending import extend
from automate_connectors.declared.folder import FILE, own_folder
from automate_connectors.declared.openapi.operations import expand
from automate_connectors.declared.openapi.reader import MAX_BYTES
from automate_connectors.declared.parsing import Fault, FaultyDocumentError, parse
from automate_connectors.declared.yaml_files import DocumentError, line_of, read_document, read_file
from automate_plugins import text
from automate_plugins.registry import BUILT_IN, PluginError, Source
from automate_plugins.texts import joined, marked

SERVICES = Path(__file__).resolve().parent.parent / "services"
#: The class with what no document can say of a service of this package, by the service's code.
_BASES: dict[str, type[DeclaredConnector]] = {
    "airtable": AirtableTables,
    "gmail": GmailMessages,
    "google_calendar": CalendarChannels,
    "google_drive": DriveChannels,
    "google_sheets": SheetRows,
    "notion": NotionDataSources,
}
_MOST_FAULTS = 5


class ConnectorFileError(PluginError):
    """A `connector.yaml` that cannot be used: the message names the file, the lines and the faults."""


def build_document(source: bytes, read_beside: Callable[[str], bytes]) -> tuple[Any, Document]:
    """Return the value of a `connector.yaml`, its operations written out, and the checked document of it.

    `read_beside` reads a file beside it by its name, and raises DocumentError. Raises DocumentError and
    FaultyDocumentError.
    """
    value = expand(read_document(source), read_beside)
    return value, check_document(value)


def check_document(value: Any) -> Document:
    """Return the document of a value without `operation`s. Raises FaultyDocumentError."""
    document = parse(value)
    if found := list(faults(document)):
        raise FaultyDocumentError(found)
    return document


def load_document(path: Path) -> Document:
    """Read and check a `connector.yaml`. Raises ConnectorFileError."""
    return _read(path, lambda value: None)[0]


type _Shipped = type[DeclaredConnector]


def _read(path: Path, extended: Callable[[Any], _Shipped | None]) -> tuple[Document, _Shipped | None]:
    """Return the document, and the connector that it extends by `extended`. Raises ConnectorFileError."""
    source = b""
    try:
        source = read_file(path)
        value = expand(read_document(source), lambda name: read_file(path.parent / name, max_bytes=MAX_BYTES))
        if (shipped := extended(value)) is not None:
            value = extend(msgspec.to_builtins(shipped.document), value, _written_in_python(shipped))
        document = check_document(value)
    except DocumentError as error:
        raise ConnectorFileError(_located(path, error.line, error.reason)) from error
    except FaultyDocumentError as error:
        raise ConnectorFileError(_message(path, source, error.faults)) from error
    return document, shipped


def _written_in_python(shipped: _Shipped) -> set[str]:
    own = (shipped.own_actions, shipped.own_polls, shipped.own_webhooks)
    return {each.name for some in own for each in some}


def load_connector(
    path: Path, *, code: str = "", base: type[DeclaredConnector] = DeclaredConnector
) -> type[DeclaredConnector]:
    """Return the connector of a `connector.yaml`. Raises ConnectorFileError; also for another code than `code`.

    `base` has what the document cannot say, as in `declare`.
    """
    document = load_document(path)
    if code and document.code != code:
        reason = text("The code must be %(code)s, as the folder is named.", code=code)
        raise ConnectorFileError(_message(path, read_file(path), [Fault(("code",), reason)]))
    return declare(document, base)


def connector_of(loaded: Any) -> Any:
    """Return the connector of what an entry point names: a Path of a `connector.yaml`, or the class itself."""
    return load_connector(loaded) if isinstance(loaded, Path) else loaded


@dataclass(frozen=True)
class ConnectorFile:
    """A folder with a `connector.yaml`, as a source of the registry."""

    path: Path
    dist: Distribution | None = None

    @property
    def name(self) -> str:
        """The name of the folder, which is the connector's code."""
        return self.path.parent.name

    @property
    def value(self) -> str:
        """The file, for people."""
        return str(self.path) if self.dist is None else f"{self.path.parent.parent.name}/{self.name}/{FILE}"

    def load(self) -> type[DeclaredConnector]:
        """Return the connector. Raises ConnectorFileError."""
        if self.path.parent.parent == SERVICES:
            return _service(self.name)
        return _site_connector(self.path)


def _service(code: str) -> type[DeclaredConnector]:
    return load_connector(SERVICES / code / FILE, code=code, base=_BASES.get(code, DeclaredConnector))


def _site_connector(path: Path) -> type[DeclaredConnector]:
    """Return the connector of a site's file, which may extend that of this package. Raises ConnectorFileError."""
    code = path.parent.name

    def extended(value: Any) -> _Shipped | None:
        if not isinstance(value, dict) or "extends" not in value:
            return None
        if value["extends"] != code:
            reason = text("extends must be %(code)s, as the folder is named.", code=code)
        elif (shipped := _shipped(code)) is not None:
            return shipped
        else:
            reason = text("No connector %(code)s that is a file comes with Automate.", code=repr(code))
        raise FaultyDocumentError([Fault(("extends",), reason)])

    document, shipped = _read(path, extended)
    if shipped is None:
        return load_connector(path, code=code)
    made = declare(document, cast("_Shipped", shipped.__base__))  # the class that `shipped` itself was declared with
    made.extends = code
    return made


def _shipped(code: str) -> _Shipped | None:
    """Return the declared connector of that code that this package brings."""
    if (SERVICES / code / FILE).is_file():
        return _service(code)
    found = entry_points(group="django_automate.connectors", name=code)
    loaded = next((each.load() for each in found if each.dist is not None and each.dist.name == BUILT_IN), None)
    return loaded if isinstance(loaded, type) and issubclass(loaded, DeclaredConnector) else None


def connector_files() -> Iterable[Source]:
    """Return the files that this package brings, and those of the folder in AUTOMATE_CONNECTORS_DIR."""
    try:
        own: Distribution | None = distribution(BUILT_IN)
    except PackageNotFoundError:
        own = None
    yield from (ConnectorFile(path, own) for path in sorted(SERVICES.glob(f"*/{FILE}")))
    folder = own_folder()
    if folder is not None:
        yield from (ConnectorFile(path) for path in sorted(folder.glob(f"*/{FILE}")))


def _message(path: Path, source: bytes, found: list[Fault]) -> str:
    shown = [_located(path, line_of(source, fault.place), fault.reason) for fault in found[:_MOST_FAULTS]]
    return joined(shown)


def _located(path: Path, line: int | None, reason: str) -> str:
    place = f"{path.parent.name}/{path.name}"
    if line is None:
        return text("%(file)s: %(reason)s", file=place, reason=marked(reason))
    return text("%(file)s, line %(line)s: %(reason)s", file=place, line=str(line), reason=marked(reason))
