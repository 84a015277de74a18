"""Problems of a draft, errors and warnings, each with its step and field."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from automate_authoring import usability
from automate_authoring.definitions import validation
from automate_authoring.drafts.history import names_of_deleted_steps
from automate_authoring.drafts.parsing import ParsedDraft
from automate_authoring.lint_rules import lint
from automate_authoring.lint_rules.item_fields import find_unknown_fields
from automate_connectors.adapters.base import ActionVersionError
from automate_connectors.registry import find_action
from automate_core.definition.document import ActionStep, Definition, Problem, ReplyStep, Step, StopStep, WebhookTrigger
from automate_core.definition.plain_secrets import plain_secrets
from automate_core.definition.slots import slots, walk
from automate_core.models import WebhookEndpoint, Workflow
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person
from automate_plugins import text
from automate_plugins.texts import marked

_SECRET_NAME = re.compile(r"token|secret|passw|api[_-]?key|private_?key|^authorization$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class DraftProblem:
    """Problem of a draft. `step` or `trigger` is a key, both empty for the workflow; `field` is as in its document.
    `path` is its place in the whole document, empty for a problem of no place.

    An error prevents publishing, a warning does not. `missing` marks a field that is not filled in yet, which is shown
    differently while the person is still editing.
    """

    level: Literal["error", "warning"]
    reason: str
    step: str = ""
    trigger: str = ""
    field: str = ""
    missing: bool = False
    path: str = dataclasses.field(default="", compare=False)


def find_problems(parsed: ParsedDraft, workflow: Workflow, publisher: Person | None = None) -> list[DraftProblem]:
    """All problems, those of the workflow first, then in reading order. Makes few queries, whatever the draft's size.

    Both `publisher` and the `run_as` user must be able to use the connections and workflows that the draft names.
    """
    people = sorted({workflow.run_as, publisher or workflow.run_as}, key=sign_in_name)
    definition = parsed.definition
    errors = [
        *validation.find_problems(definition, names_of_deleted_steps(workflow)),
        *usability.unusable(definition, people),
    ]
    found = [_placed("error", problem, parsed) for problem in parsed.with_faults(errors)]
    warnings = [*_warnings(definition), *find_unknown_fields(definition, workflow)]
    found += [_placed("warning", problem, parsed) for problem in warnings]
    order = {key: number for number, key in enumerate(parsed.places.values())}
    return sorted(dict.fromkeys(found), key=lambda problem: order.get(problem.step, -1))


def _warnings(definition: Definition) -> Iterator[Problem]:
    """Warnings about a definition."""
    if not definition.triggers:
        warning = text("No trigger yet. This workflow can only be started manually or by another workflow.")
        yield Problem("triggers", warning)
    yield from _about_triggers(definition)
    yield from lint.find_cautions(definition)
    yield from _unreachable(definition.steps, "steps")
    for place, step in walk(definition.steps):
        if isinstance(step, ActionStep):
            yield from _about_action(step, place)


def _about_triggers(definition: Definition) -> Iterator[Problem]:
    webhooks = {
        trigger.endpoint: f"triggers[{index}].endpoint"
        for index, trigger in enumerate(definition.triggers)
        if isinstance(trigger, WebhookTrigger)
    }
    if not webhooks:
        return
    replies = any(isinstance(step, ReplyStep) and not step.disabled for _, step in walk(definition.steps))
    found = WebhookEndpoint.objects.filter(slug__in=webhooks).values_list("slug", "scheme", "reply_seconds")
    for slug, scheme, reply_seconds in found:
        if scheme == "unsigned":
            yield Problem(webhooks[slug], text("Deliveries are unsigned: anyone with the URL can start this workflow."))
        if replies and not reply_seconds:
            yield Problem(
                webhooks[slug],
                text("This webhook does not wait for a reply. Callers get the answer 202 instead of the reply."),
            )


def _unreachable(steps: list[Step], path: str) -> Iterator[Problem]:
    """Steps behind one that ends the run."""
    stopped = False
    for index, step in enumerate(steps):
        if stopped and not step.disabled:
            yield Problem(f"{path}[{index}]", text("Never reached: an earlier step ends the run."))
            return
        stopped = stopped or (isinstance(step, StopStep) and not step.disabled)
        for slot in slots(step):
            yield from _unreachable(slot.steps, f"{path}[{index}].{slot.place}")


def _about_action(step: ActionStep, place: str) -> Iterator[Problem]:
    try:
        adapter, action = find_action(step.action)
        inputs = action.migrate(step.inputs, step.version)
    except (LookupError, ActionVersionError):
        return  # an error already
    if step.version != action.version:
        reason = text(
            "This step uses version %(old)s of its action. It becomes version %(new)s when the builder is opened or the"
            " workflow is published.",
            old=str(step.version),
            new=str(action.version),
        )
        yield Problem(f"{place}.version", reason)
    if not step.connection and adapter.needs_connection:
        reason = text("%(connector)s requires a connection.", connector=marked(adapter.name))
        yield Problem(f"{place}.connection", reason, missing=True)
    reported = set(plain_secrets(action, inputs))
    for name, value in inputs.items():
        plain = isinstance(value, str) and len(value) >= 8 and "{" not in value
        if plain and name not in reported and _SECRET_NAME.search(name):
            yield Problem(f"{place}.inputs.{name}", text("This looks like a secret. Store it in a connection."))


def _placed(level: Literal["error", "warning"], problem: Problem, parsed: ParsedDraft) -> DraftProblem:
    """A problem at its step and field instead of its place in the document."""
    found = DraftProblem(level=level, reason=problem.reason, missing=problem.missing, path=problem.path)
    place, field = problem.path, ""
    while place:
        if place in parsed.places:
            return replace(found, step=parsed.places[place], field=field)
        if place.startswith("triggers[") and place.endswith("]") and "." not in place:
            return replace(found, trigger=parsed.triggers[int(place[len("triggers[") : -1])], field=field)
        place, separator, last = place.rpartition(".")
        field = f"{last}.{field}".rstrip(".") if separator else field
    return replace(found, field=problem.path)
