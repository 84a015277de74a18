"""Declared connectors of files: those that this package brings, a project's own, and those of plug-in packages."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from automate_connectors.adapters.google.calendar import CalendarChannels
from automate_connectors.adapters.google.drive import DriveChannels
from automate_connectors.adapters.notion import NotionDataSources
from automate_connectors.declared.adapter import DeclaredConnector, declare
from automate_connectors.declared.checks import faults
from automate_connectors.declared.document import Document
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
    "google_calendar": CalendarChannels,
    "google_drive": DriveChannels,
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
    source = b""
    try:
        source = read_file(path)
        _, document = build_document(source, lambda name: read_file(path.parent / name, max_bytes=MAX_BYTES))
    except DocumentError as error:
        raise ConnectorFileError(_located(path, error.line, error.reason)) from error
    except FaultyDocumentError as error:
        raise ConnectorFileError(_message(path, source, error.faults)) from error
    return document


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
        bases = _BASES if self.path.parent.parent == SERVICES else {}
        return load_connector(self.path, code=self.name, base=bases.get(self.name, DeclaredConnector))


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
