"""Import workflows from YAML files."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.db import transaction

from automate_authoring import workflows
from automate_authoring.definitions import validation, yaml_files
from automate_authoring.publishing.readiness import publishing_warnings
from automate_core.definition.document import Definition, DefinitionError
from automate_core.management import lookups
from automate_core.models import Workflow
from automate_governance.commands import EnglishCommand
from automate_governance.people import origin
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person
from automate_governance.texts import translated


class Command(EnglishCommand):
    help = (
        "Import workflows from YAML files, each all or nothing. Exit code 2 when a file is invalid, and 1 when --diff "
        "finds a difference."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="+", metavar="FILE")
        parser.add_argument("--publish", action="store_true", help="publish the imported workflows")
        parser.add_argument("--owner", metavar="USER", help="owner, author and run-as; default: the only superuser")
        parser.add_argument(
            "--check", action="store_true", help="only check the files against the installed plug-ins, without database"
        )

        parser.add_argument(
            "--diff", action="store_true", help="only show what an import would change in the drafts of the database"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        only = "check" if options["check"] else "diff" if options["diff"] else ""
        if only and (options["publish"] or options["owner"] or options["check"] is options["diff"]):
            raise CommandError(f"--{only} imports nothing: leave out the other options", returncode=2)
        owner = None if only else lookups.find_person(options["owner"])
        faults: list[str] = []
        changed = 0
        for name in options["files"]:
            text = ""
            try:
                text = yaml_files.load_text(Path(name))
                definition = yaml_files.read_workflow(text)
                if owner is None:
                    self._check(name, definition, says=not options["diff"])
                    changed += options["diff"] and self._differs(name, definition)
                else:
                    self._import(name, definition, owner, publish=options["publish"])
            except DefinitionError as error:
                faults += [f"{name}: {problem}" for problem in yaml_files.with_lines(text, error.problems)]
            except (yaml_files.WorkflowFileError, NotPermittedError) as error:
                faults.append(f"{name}: {error}")
        if faults:
            raise CommandError("\n".join(faults), returncode=2)
        if changed:
            raise CommandError(f"{changed} of {len(options['files'])} files would change a draft", returncode=1)

    def _differs(self, name: str, definition: Definition) -> bool:
        """Whether the draft says anything else, whose differences are shown. Raises WorkflowFileError."""
        workflow = Workflow.objects.filter(slug=definition.slug).first()
        try:
            theirs = yaml_files.write_workflow(workflows.load_definition(workflow)) if workflow else ""
        except DefinitionError as error:
            raise yaml_files.WorkflowFileError(f"the draft of {definition.slug} is incomplete: {error}") from error
        there = f"{definition.slug} ({'draft' if workflow else 'none'})"
        ours = yaml_files.write_workflow(workflows.as_draft(definition, workflow) if workflow else definition)
        lines = list(difflib.unified_diff(theirs.splitlines(), ours.splitlines(), there, name, lineterm=""))
        for line in lines:
            self.stdout.write(line)
        return bool(lines)

    def _check(self, name: str, definition: Definition, *, says: bool) -> None:
        """Raises DefinitionError. What only the database knows is not asked: people, connections, webhooks."""
        if found := validation.find_problems(definition):
            raise DefinitionError(found)
        if says:
            self.stdout.write(f"{name}: {definition.slug} is valid")

    def _import(self, name: str, definition: Definition, owner: Person, *, publish: bool) -> None:
        """Raises DefinitionError, NotPermittedError."""
        with origin.owner_named(), transaction.atomic():
            workflow = workflows.save_definition(definition, owner=owner)
            version = workflows.publish(workflow, author=owner) if publish else None
        run_as = version.run_as if version else workflow.run_as
        people = f"owner {sign_in_name(workflow.owner)}, runs as {sign_in_name(run_as)}"
        published = f", {version} is published" if version else ""
        self.stdout.write(f"{name}: {workflow.slug} imported{published} ({people})")
        if run_as.is_superuser:
            self.stderr.write(f"{name}: warning: it runs as a superuser, who may do everything")
        for warning in publishing_warnings(workflow, owner) if version else ():
            place = warning.step or warning.trigger
            self.stderr.write(f"{name}: warning{f', {place}' if place else ''}: {translated(warning.reason)}")
