"""The workflow under test: a published one, or one that is published for the test from a file or a document."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import transaction

from automate_authoring import workflows
from automate_authoring.definitions import validation, yaml_files
from automate_core.definition.document import Definition, DefinitionError
from automate_core.definition.parsing import parse
from automate_core.models import Workflow
from automate_governance.permissions import Person

type Source = str | Path | Mapping[str, Any] | Definition | Workflow


def load_workflow(source: Source, run_as: Person | None) -> Workflow:
    """The published workflow that a test names.

    A slug is looked up; a path, a YAML text, a document and a definition are published for `run_as`, whatever that
    person may do, and although the connections, endpoints and users that they name may be missing. Raises LookupError,
    TypeError without `run_as`, and WorkflowFileError and DefinitionError for a workflow with faults.
    """
    if isinstance(source, Workflow):
        return _published(source.slug)
    definition = _read(source)
    if definition is None:
        return _published(str(source))
    if run_as is None:
        raise TypeError("A workflow from a file or a document needs run_as: the user whose permissions its runs have.")
    return _publish(definition, run_as)


def _read(source: Source) -> Definition | None:
    """The definition of a source; None for a slug."""
    match source:
        case Definition():
            return source
        case Path():
            return yaml_files.read_workflow(yaml_files.load_text(source))
        case Mapping():
            return parse(dict(source))
        case str() if "\n" in source or source.lstrip().startswith("{"):
            return yaml_files.read_workflow(source)
    return None


def _published(slug: str) -> Workflow:
    found = Workflow.objects.filter(slug=slug).select_related("published").first()
    if found is None or found.published is None:
        raise LookupError(f"There is no published workflow {slug!r}. Publish it in the test, or give its file.")
    return found


@transaction.atomic
def _publish(definition: Definition, run_as: Person) -> Workflow:
    if found := validation.find_problems(definition):
        raise DefinitionError(found)
    values = {"name": definition.name, "owner": run_as, "run_as": run_as}
    workflow, _is_new = Workflow.objects.get_or_create(slug=definition.slug, defaults=values)
    workflows.publish_version(workflow, definition, run_as, run_as, "", rev=0)
    return _published(definition.slug)
