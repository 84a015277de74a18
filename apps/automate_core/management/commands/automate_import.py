"""Import workflows from YAML files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from automate_core.authoring import workflows
from automate_core.authoring.publishing.readiness import publishing_warnings
from automate_core.definition import yaml_files
from automate_core.definition.document import DefinitionError
from automate_core.management import lookups
from automate_governance.people import origin
from automate_governance.permissions import NotPermittedError
from automate_governance.texts import translated


class Command(BaseCommand):
    help = "Import workflows from YAML files, each all or nothing. Exit code 2 when a file is invalid."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument("--publish", action="store_true", help="publish the imported workflows")
        parser.add_argument("--owner", metavar="USER", help="owner, author and run-as; default: the only superuser")

    def handle(self, *args: Any, **options: Any) -> None:
        owner = lookups.find_person(options["owner"])
        faults: list[str] = []
        for name in options["files"]:
            text = ""
            try:
                text = yaml_files.load_text(Path(name))
                definition = yaml_files.read_workflow(text)
                with origin.owner_named(), transaction.atomic():
                    workflow = workflows.save_definition(definition, owner=owner)
                    version = workflows.publish(workflow, author=owner) if options["publish"] else None
            except DefinitionError as error:
                faults += [f"{name}: {problem}" for problem in yaml_files.with_lines(text, error.problems)]
            except (yaml_files.WorkflowFileError, NotPermittedError) as error:
                faults.append(f"{name}: {error}")
            else:
                run_as = version.run_as if version else workflow.run_as
                people = f"owner {workflow.owner.get_username()}, runs as {run_as.get_username()}"
                published = f", {version} is published" if version else ""
                self.stdout.write(f"{name}: {workflow.slug} imported{published} ({people})")
                if run_as.is_superuser:
                    self.stderr.write(f"{name}: warning: it runs as a superuser, who may do everything")
                for warning in publishing_warnings(workflow, owner) if version else ():
                    place = warning.step or warning.trigger
                    self.stderr.write(f"{name}: warning{f', {place}' if place else ''}: {translated(warning.reason)}")
        if faults:
            raise CommandError("\n".join(faults), returncode=2)
