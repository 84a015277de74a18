"""The definition of the published version of a workflow."""

from __future__ import annotations

from automate_core.definition.document import Definition
from automate_core.definition.parsing import parse
from automate_core.models import Workflow


def published_definition(workflow: Workflow) -> Definition | None:
    """The published definition, or None. No query when `published` is loaded."""
    return parse(workflow.published.definition) if workflow.published else None
