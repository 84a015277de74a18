"""Begin a plug-in."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_connectors import scaffolding
from automate_governance.commands import EnglishCommand


class Command(EnglishCommand):
    help = "Create a package for a plug-in, with passing tests. Exit code 2 when it cannot be created."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("name", metavar="NAME", help="the Python package, such as my_erp")
        parser.add_argument("--kind", choices=sorted(scaffolding.KINDS), default="connector", help="(connector)")
        parser.add_argument(
            "--with",
            dest="parts",
            action="append",
            default=[],
            choices=sorted(scaffolding.PARTS),
            help="a trigger of a connector, with its contract tests; several times",
        )
        parser.add_argument("--to", metavar="FOLDER", help="folder of the package; default: ./NAME")

    def handle(self, *args: Any, **options: Any) -> None:
        folder = Path(options["to"] or options["name"])
        try:
            made = scaffolding.write_plugin(options["name"], options["kind"], folder, parts=options["parts"])
            for path in made:
                self.stdout.write(str(path))
        except scaffolding.ScaffoldError as error:
            raise CommandError(str(error), returncode=2) from error
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}", returncode=2) from error
        if importlib.util.find_spec("pytest") is None:
            self.stdout.write(f"pytest is not installed: uv pip install --python {sys.executable} pytest")
        self.stdout.write(f"Run the tests: cd {folder} && {sys.executable} -m pytest")
