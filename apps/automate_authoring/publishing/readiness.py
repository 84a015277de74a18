"""Problems of a draft before it is published: its own, and what it reaches that was never tested, or is failing.

The review, the API, the MCP server and the commands ask here, so that all of them warn of the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from automate_authoring.drafts import parsing, problems, rows
from automate_authoring.drafts.parsing import ParsedDraft
from automate_authoring.drafts.problems import DraftProblem
from automate_authoring.drafts.values import Draft
from automate_authoring.publishing.agent_output import agent_output_warnings
from automate_authoring.publishing.shared_triggers import shared_trigger_reasons
from automate_authoring.publishing.starters import starter_warnings
from automate_authoring.test_runs import results
from automate_connectors.models import Connection
from automate_connectors.registry import connectors
from automate_core.definition.document import CONNECTOR_TRIGGERS, ActionStep, PollTrigger
from automate_core.definition.slots import walk
from automate_core.models import PollState, Workflow
from automate_core.triggers.polling import poll_digest
from automate_governance.permissions import Person
from automate_governance.texts import kept_text
from automate_plugins import text
from automate_plugins.registry import PluginNotFoundError
from automate_plugins.texts import restored

_Health = Connection.Health


def publishing_problems(
    workflow: Workflow,
    parsed: ParsedDraft,
    draft: Draft,
    publisher: Person | None = None,
    *,
    viewer: Person | None = None,
) -> list[DraftProblem]:
    """All problems, errors and warnings, that a person sees before publishing.

    Connections are warned of at the first trigger or step that uses each. `publisher` as in `problems.find_problems`;
    `viewer` reads the names of other workflows that they may view.
    """
    return [
        *problems.find_problems(parsed, workflow, publisher),
        *_test_warnings(workflow, parsed, draft),
        *_connection_warnings(parsed, draft),
        *_poll_warnings(workflow, parsed),
        *_trigger_warnings(workflow, parsed, viewer),
        *starter_warnings(parsed.definition),
        *agent_output_warnings(parsed.definition),
    ]


def publishing_warnings(workflow: Workflow, viewer: Person) -> list[DraftProblem]:
    """What `viewer` is warned of before the draft is published. It prevents nothing."""
    draft = rows.load_draft(workflow)
    found = publishing_problems(workflow, parsing.parse_draft(draft), draft, viewer=viewer)
    return [problem for problem in found if problem.level == "warning"]


def record_poll_test(workflow: Workflow, trigger: PollTrigger, error: str = "") -> None:
    """Keep whether the poll of a draft answered, as it is set up now; `error` is a sentence, empty for an answer."""
    found = {"digest": poll_digest(trigger), "error": str(error), "text": kept_text(error, str(error))}
    workflow.triggers.filter(key=trigger.key, kind="poll").update(tested=found)


def _test_warnings(workflow: Workflow, parsed: ParsedDraft, draft: Draft) -> Iterator[DraftProblem]:
    """A warning about steps without a test run since their last change."""
    if words := results.untested_warning(workflow, parsed.definition, draft):
        yield DraftProblem(level="warning", reason=words, field="tests")


def _connection_warnings(parsed: ParsedDraft, draft: Draft) -> Iterator[DraftProblem]:
    users = _users_of_connections(parsed, draft)
    for connection in Connection.objects.filter(slug__in=users).order_by("slug") if users else ():
        reason = _health_warning(connection)
        if reason:
            trigger, step = users[connection.slug]
            yield DraftProblem(level="warning", reason=reason, trigger=trigger, step=step, field="connection")


def _users_of_connections(parsed: ParsedDraft, draft: Draft) -> dict[str, tuple[str, str]]:
    """(key of the trigger, key of the step) that uses each connection first; the other one is empty."""
    found: dict[str, tuple[str, str]] = {}
    for trigger in parsed.definition.enabled_triggers:
        if isinstance(trigger, CONNECTOR_TRIGGERS) and trigger.connection:
            found.setdefault(trigger.connection, (trigger.key, ""))
    for _, step in walk(parsed.definition.steps):
        if isinstance(step, ActionStep) and step.connection and not step.disabled and step.key in draft.steps:
            found.setdefault(step.connection, ("", step.key))
    return found


def _health_warning(connection: Connection) -> str:
    match connection.health:
        case _Health.RECONNECT:
            return text("Sign in to the connection %(name)s again: it does not work.", name=connection.name)
        case _Health.FAILING:
            return text("The connection %(name)s is failing. Fix it and test it.", name=connection.name)
        case _Health.UNKNOWN if _can_be_tested(connection):
            return text("The connection %(name)s was not tested. Test it first.", name=connection.name)
    return ""


def _can_be_tested(connection: Connection) -> bool:
    try:
        return connectors.get(connection.connector).can_check
    except PluginNotFoundError:
        return False


def _trigger_warnings(workflow: Workflow, parsed: ParsedDraft, viewer: Person | None) -> Iterator[DraftProblem]:
    """Triggers that start nothing, and those that start other workflows as well."""
    for trigger in parsed.definition.triggers:
        if trigger.disabled:
            off = text("This trigger is off: it starts nothing. Turn it on when the workflow may start by itself.")
            yield DraftProblem(level="warning", reason=off, trigger=trigger.key, field="disabled")
    for key, reason in shared_trigger_reasons(parsed.definition, workflow.slug, viewer):
        yield DraftProblem(level="warning", reason=reason, trigger=key)


def _poll_warnings(workflow: Workflow, parsed: ParsedDraft) -> Iterator[DraftProblem]:
    enabled = parsed.definition.enabled_triggers
    polls = [trigger for trigger in enabled if isinstance(trigger, PollTrigger) and trigger.poll]
    if not polls:
        return
    states = {state.key: state for state in PollState.objects.filter(workflow=workflow).defer("cursor", "seen")}
    tested = dict(workflow.triggers.filter(kind="poll").values_list("key", "tested"))
    for trigger in polls:
        if reason := _poll_warning(trigger, states.get(trigger.key), tested.get(trigger.key)):
            yield DraftProblem(level="warning", reason=reason, trigger=trigger.key, field="poll")


def _poll_warning(trigger: PollTrigger, state: PollState | None, tested: dict[str, Any] | None) -> str:
    digest = poll_digest(trigger)
    is_same_test = tested is not None and tested["digest"] == digest
    if is_same_test and tested and tested["error"]:
        reason = restored(tested["text"], tested["error"])
        return text("The last test of this poll failed: %(reason)s", reason=reason)
    if state is not None and state.digest == digest:
        if state.failures and not is_same_test:
            return text("This poll is failing: %(reason)s", reason=state.reason)
        if state.succeeded_at:
            return ""
    return "" if is_same_test else text("This poll was not tested. Show its current items first.")
