"""Fixes that a button at a problem makes: in the builder by their command, at the review by their name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from automate_authoring.drafts import commands, parsing, requests, rows
from automate_authoring.lint_rules.bare_approvals import answers_message, find_bare_approvals
from automate_authoring.lint_rules.nested_lists import find_nested_lists
from automate_authoring.lint_rules.open_routes import find_open_routes
from automate_authoring.lint_rules.payload_gaps import find_gaps, with_defaults
from automate_authoring.publishing.starters import find_exclusions
from automate_core.definition.document import ActionStep, Definition
from automate_core.definition.slots import walk
from automate_core.models import Workflow
from automate_governance.permissions import Person
from automate_plugins import text


@dataclass(frozen=True)
class Fix:
    """A fix of the problem at `field` of a step. `request` is its command, without the revision."""

    step: str
    field: str
    name: str
    label: str
    request: Mapping[str, Any]

    def posted_command(self, rev: int) -> str:
        """The command as the builder posts it, where each value is a text. A change of the tree goes without `rev`."""
        posted = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in self.request.items()}
        return json.dumps({**posted, **({} if self.request["do"] == "add" else {"rev": rev})})


def find_fixes(definition: Definition) -> Iterator[Fix]:
    """The fixes of a draft. No query."""
    yield from _close_routes(definition)
    if message := answers_message(definition):
        for _, approval in find_bare_approvals(definition):
            yield _edit(approval.key, "message", "message", text("Show the answers of the form"), {"message": message})
    for step, changed in find_exclusions(definition):
        yield _edit(step, "excluded", "exclude", text("Exclude the person who starts a run"), {"excluded": changed})
    for nested in find_nested_lists(definition):
        if nested.is_alone:
            changes = {nested.field: nested.entry}
            yield _edit(nested.step.key, nested.field, "whole", text("Use it as the whole list"), changes)
    for _, inner in walk(definition.steps):
        if isinstance(inner, ActionStep) and not inner.disabled:
            for name, value in inner.inputs.items():
                if gaps := find_gaps(definition, value):
                    changes = {f"inputs.{name}": with_defaults(value, gaps)}
                    yield _edit(inner.key, f"inputs.{name}", "default", text("Use a default"), changes)


def _close_routes(definition: Definition) -> Iterator[Fix]:
    for route in find_open_routes(definition):
        step, slot = route.step, route.slot.key
        stop = {"do": "add", "kind": "stop", "parent": step.key, "slot": slot}
        yield Fix(step.key, route.field, "stop", text("Stop the run here"), stop)
        confirmed = {"continues_after": [*step.continues_after, slot]}
        yield _edit(step.key, route.field, "continue", text("Let the run continue"), confirmed)


def _edit(step: str, field: str, name: str, label: str, changes: dict[str, Any]) -> Fix:
    return Fix(step, field, name, label, {"do": "edit", "key": step, "set": changes})


@transaction.atomic
def apply_fix(workflow: Workflow, step: str, field: str, name: str, *, by: Person) -> bool:
    """Make a fix that a page offered. False when its problem is there no more, so that nothing is to be done.

    It is made on the draft as it is now: its problem is looked for again, whatever else was edited since. Raises
    NotPermittedError, EditError.
    """
    locked = Workflow.objects.select_for_update(no_key=True).get(pk=workflow.pk)
    definition = parsing.parse_draft(rows.load_draft(locked)).definition
    wanted = (step, field, name)
    fix = next((each for each in find_fixes(definition) if (each.step, each.field, each.name) == wanted), None)
    if fix is None:
        return False
    commands.run_command(locked.pk, requests.read_request({**fix.request, "rev": locked.rev}), by=by)
    return True
