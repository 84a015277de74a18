"""Write a workflow as YAML."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_authoring import workflows
from automate_core.definition import yaml_files
from automate_core.definition.document import DefinitionError
from automate_core.management import lookups
from automate_governance import audit
from automate_governance.commands import EnglishCommand


class Command(EnglishCommand):
    help = "Write the draft of a workflow as YAML to standard output. automate_import reads it back."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG")

    def handle(self, *args: Any, **options: Any) -> None:
        workflow = lookups.find_workflow(options["slug"])
        try:
            definition = workflows.load_definition(workflow)
        except DefinitionError as error:
            reason = f"The draft of {workflow.slug} is incomplete: {error}"
            raise CommandError(reason, returncode=2) from error
        audit.record(None, "workflow.exported", workflow)
        self.stdout.write(yaml_files.write_workflow(definition), ending="")
