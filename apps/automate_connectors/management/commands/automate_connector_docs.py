"""Make the pages about connectors."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_connectors import docs
from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.oauth.catalogue import own_providers
from automate_connectors.registry import connectors
from automate_governance.commands import EnglishCommand
from automate_plugins.registry import PluginNotFoundError

OURS = "django-automate"


class Command(EnglishCommand):
    help = (
        "Write a page for each connector, or for the given ones, from its description and its fixtures. "
        "Exit code 0 when done, 1 when --check finds a missing or outdated page, 2 when it fails."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("codes", nargs="*", metavar="CODE", help="connectors; default: the built-in ones")
        parser.add_argument("--to", default="docs/connectors", metavar="FOLDER", help="folder of the pages")
        parser.add_argument(
            "--fixtures",
            default="tests/contracts/fixtures",
            metavar="FOLDER",
            help="folder with a folder for each connector",
        )
        parser.add_argument("--check", action="store_true", help="only list missing and outdated pages")

    def handle(self, *args: Any, **options: Any) -> None:
        folder, stale = Path(options["to"]), []
        try:
            for path, text in _pages(options["codes"], folder, Path(options["fixtures"])):
                if not path.exists() or path.read_text(encoding="utf-8") != text:
                    stale.append(path)
                    if not options["check"]:
                        folder.mkdir(parents=True, exist_ok=True)
                        path.write_text(text, encoding="utf-8")
        except (PluginNotFoundError, docs.BadFixtureError) as error:
            raise CommandError(str(error), returncode=2) from error
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}", returncode=2) from error
        for path in stale:
            self.stdout.write(f"{'outdated' if options['check'] else 'written'}: {path}")
        if stale and options["check"]:
            raise CommandError("Run `make docs` and commit the result.", returncode=1)


def built_in() -> list[str]:
    """The codes of the connectors that this package brings."""
    return [plugin.name for plugin in connectors.plugins if plugin.cls is not None and plugin.distribution == OURS]


def _pages(codes: list[str], folder: Path, fixtures: Path) -> Iterator[tuple[Path, str]]:
    adapters: list[ConnectorAdapter] = [connectors.get(code) for code in codes or built_in()]
    for adapter in adapters:
        path = folder / f"{adapter.code}.md"
        yield path, docs.connector_page(adapter, docs.load_examples(fixtures / adapter.code), _existing(path))
    if not codes:
        yield folder / "README.md", docs.index_page(adapters, _existing(folder / "README.md"))
        page = folder / "oauth-providers.md"
        yield page, docs.providers_page(own_providers(), adapters, _existing(page))


def _existing(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""
