"""Make a connector from an OpenAPI document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_connectors.declared.checks import faults
from automate_connectors.declared.openapi.actions import listing
from automate_connectors.declared.openapi.connector import connector_of, write
from automate_connectors.declared.openapi.reader import MAX_BYTES, Api
from automate_connectors.declared.parsing import FaultyDocumentError, parse
from automate_connectors.declared.yaml_files import DocumentError, read_file
from automate_governance.commands import EnglishCommand


class Command(EnglishCommand):
    help = (
        "Write a connector.yaml with the chosen operations of an OpenAPI document (3.0 or 3.1, JSON or YAML), or list"
        " its operations. Exit code 0 when done, 2 when it fails."
    )
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", metavar="FILE", help="the OpenAPI document")
        parser.add_argument(
            "--operation",
            action="append",
            default=[],
            metavar="ID",
            help="operationId, or METHOD and path in one argument; repeatable. Without it, operations are listed",
        )
        parser.add_argument(
            "--search", default="", metavar="WORDS", help="list only operations that contain these words"
        )
        parser.add_argument("--code", default="", help="code of the connector; default: from the title")
        parser.add_argument(
            "--base-url", default="", metavar="URL", help="base URL to use instead of that of the document"
        )
        parser.add_argument(
            "-o", "--output", default="", metavar="FILE", help="file to write; default: standard output"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["file"])
        try:
            api = Api(read_file(path, max_bytes=MAX_BYTES))
            if not options["operation"]:
                self.stdout.write("\n".join(listing(api, options["search"])))
                return
            made = connector_of(api, options["operation"], code=options["code"], base_url=options["base_url"])
            for fault in faults(parse(made)):
                raise DocumentError(fault.reason)
        except (DocumentError, FaultyDocumentError) as error:
            raise CommandError(f"{path}: {error}", returncode=2) from error
        written = write(made, path.name)
        if not options["output"]:
            self.stdout.write(written, ending="")
            return
        try:
            Path(options["output"]).write_text(written, encoding="utf-8")
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}", returncode=2) from error
        self.stdout.write(f"written: {options['output']}")
