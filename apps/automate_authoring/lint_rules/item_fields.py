"""Fields that a step on lists names, such as a column of a CSV, and that no item of the known sample has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from automate_authoring.test_runs import samples
from automate_connectors.adapters.base import ConnectorError
from automate_connectors.adapters.data import lists
from automate_core.definition.document import ActionStep, Definition, Problem
from automate_core.definition.slots import walk
from automate_core.events.scope import event_scope
from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating import Template, compile_value
from automate_core.models import Workflow
from automate_plugins import text


def find_unknown_fields(definition: Definition, workflow: Workflow) -> Iterator[Problem]:
    """Warnings about the fields. They show nothing of the sample, since editors may lack the permission to view it.

    Items are the outputs of the newest tests, else of the newest run, or the newest event's that the `run_as` user may
    read. Up to three queries, where a draft has such a step.
    """
    asked = list(_list_steps(definition))
    scope = _sample_scope(workflow, definition, [template for _, _, template in asked]) if asked else {}
    for place, step, template in asked:
        try:
            params = {**step.inputs, "items": template.render(scope)}
            found = list(lists.unknown_fields(_name(step), params))
        except (TemplateError, ConnectorError):
            continue  # no sample yet, or an error of its own
        for at, field in found:
            if "{" not in field:
                yield Problem(
                    f"{place}.inputs.{at}", text("No item of the sample has the field %(field)s.", field=field)
                )


def _list_steps(definition: Definition) -> Iterator[tuple[str, ActionStep, Template]]:
    """(place, step, its items) of each step on lists whose items are known as soon as the sample is."""
    for place, step in walk(definition.steps):
        if not isinstance(step, ActionStep) or step.disabled or _name(step) not in lists.FIELDS:
            continue
        try:
            template = compile_value(step.inputs.get("items"))
        except TemplateError:
            continue  # an error of its own
        if template.is_light:
            yield place, step, template


def _name(step: ActionStep) -> str:
    connector, _, name = step.action.partition(".")
    return name if connector == "data" else ""


def _sample_scope(workflow: Workflow, definition: Definition, templates: Iterable[Template]) -> dict[str, Any]:
    paths = [path for template in templates for path in template.paths]
    keys = {str(path[1]) for path in paths if path[0] == "steps" and len(path) > 1}
    outputs = samples.known_outputs(workflow, keys) if keys else {}
    scope: dict[str, Any] = {"steps": {key: {"output": output} for key, output in outputs.items()}}
    if any(path[0] == "event" for path in paths):
        event = samples.newest_event(workflow, definition, workflow.run_as)
        scope |= {"event": event_scope(event)} if event else {}
    return scope
