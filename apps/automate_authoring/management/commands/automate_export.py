"""Write workflows as YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from automate_authoring import workflows
from automate_authoring.definitions import yaml_files
from automate_core.definition.document import DefinitionError
from automate_core.management import lookups
from automate_core.models import Workflow
from automate_governance import audit
from automate_governance.commands import EnglishCommand


class Command(EnglishCommand):
    help = (
        "Write the draft of a workflow as YAML to standard output, or those of several to SLUG.yaml in a folder. "
        "automate_import reads them back. Exit code 2 when a draft is incomplete; the others are written."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slugs", nargs="*", metavar="SLUG")
        parser.add_argument("--all", action="store_true", help="all workflows that are not archived")
        parser.add_argument("--dir", type=Path, metavar="FOLDER", help="where the files are written")

    def handle(self, *args: Any, **options: Any) -> None:
        slugs, folder = options["slugs"], options["dir"]
        if options["all"] is bool(slugs):
            raise CommandError("Name the workflows to export, or use --all.", returncode=2)
        if folder is None and (options["all"] or len(slugs) > 1):
            raise CommandError("Several workflows need a folder: add --dir FOLDER.", returncode=2)
        kept = Workflow.objects.exclude(status=Workflow.Status.ARCHIVED).order_by("slug")
        chosen = list(kept) if options["all"] else [lookups.find_workflow(slug) for slug in slugs]
        faults = [fault for workflow in chosen if (fault := self._export(workflow, folder))]
        if faults:
            raise CommandError("\n".join(faults), returncode=2)

    def _export(self, workflow: Workflow, folder: Path | None) -> str:
        """Why the workflow could not be written; empty when it was."""
        try:
            written = yaml_files.write_workflow(workflows.load_definition(workflow))
        except DefinitionError as error:
            return f"The draft of {workflow.slug} is incomplete: {error}"
        if folder is None:
            self.stdout.write(written, ending="")
        else:
            path = folder / f"{workflow.slug}.yaml"
            try:
                folder.mkdir(parents=True, exist_ok=True)
                path.write_text(written, encoding="utf-8", newline="\n")
            except OSError as error:
                return f"{path} cannot be written: {error.strerror}."
            self.stdout.write(str(path))
        audit.record(None, "workflow.exported", workflow)
        return ""
