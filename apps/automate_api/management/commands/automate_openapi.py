"""Write the OpenAPI document of the API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import translation

from automate_governance.commands import EnglishCommand

PREFIX = "/api/v1/"  #: of the paths in the document


class Command(EnglishCommand):
    help = "Write the OpenAPI 3.1 document of the API to FILE, or to standard output for -."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", nargs="?", default="docs/openapi.json", help="docs/openapi.json")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["file"] == "-":
            self.stdout.write(_document_text(), ending="")
            return
        try:
            Path(options["file"]).write_text(_document_text(), encoding="utf-8")
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise CommandError(f"{options['file']!r} cannot be written: {reason}", returncode=2) from error
        self.stdout.write(f"Wrote {options['file']}.")


def _document_text() -> str:
    """The document, the same in every language."""
    from automate_api.v1.api import api

    with translation.override(None):
        document = api.get_openapi_schema(path_prefix=PREFIX)
        return json.dumps(document, indent=2, ensure_ascii=False, default=str) + "\n"
