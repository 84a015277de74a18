"""Manual starts of workflows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec
from django.db import transaction
from django.utils.crypto import salted_hmac

from automate_core import database
from automate_core.definition import form_validation
from automate_core.definition.document import Definition, ManualTrigger
from automate_core.definition.published import published_definition
from automate_core.models import Event, Workflow
from automate_core.outbox.ingest import EventIngestor, IngestResult, NewEvent
from automate_core.triggers.host_events import as_json
from automate_governance import audit
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person, can
from automate_plugins import text
from automate_plugins.errors import AutomateError

FORM = "form:"  #: what the sources of answers to hosted forms begin with
AGENTS = "mcp"  #: what the sources of the events begin with by which AI agents start workflows

#: What the sources of starts by people and agents begin with. A start gives its run the id of its event.
START_SOURCES = ("manual:", f"{AGENTS}:")

#: The header of an event that says who started it by hand. No delivery can bring it: endpoints keep safe headers alone.
STARTED_BY = "automate-started-by"

#: The header of an event with a keyed digest of the inputs of its start. No delivery can bring it either.
STARTED_WITH = "automate-start-digest"

#: The workflow, kept until the start is stored: a deletion waits, and finds it. Starts do not wait for one another.
_KEPT = "SELECT id FROM automate_core_workflow WHERE id = %(id)s FOR KEY SHARE"


class NotStartableError(AutomateError, status=409, code="not_startable"):
    """The workflow cannot be started now; the message says why."""


class KeyReusedError(NotStartableError):
    """The key of an earlier start that had other inputs."""


@transaction.atomic
def start_workflow(
    workflow: Workflow,
    inputs: Mapping[str, Any],
    *,
    by: Person | None,
    trigger: str = "",
    source: str = "manual",
    key: str | None = None,
    same_inputs: bool = False,
) -> IngestResult:
    """Start the published workflow; `inputs` become the event's payload. The id of the event is that of the run.

    They are checked against the fields of the manual trigger of that key, or of the first; a workflow without one takes
    any. `by` None is the host's own code, which needs no permission. Two starts with one `key` are one: the second gets
    the result of the first, whatever its inputs, and starts nothing. With `same_inputs`, both have to have them.

    Raises NotPermittedError, NotStartableError, KeyReusedError, AnswersError with a sentence for each field, and
    TypeError for a payload that JSON cannot hold.
    """
    if by is not None and not can(by, "run", workflow):
        raise NotPermittedError(
            text(
                "%(person)s needs the Run permission for the workflow %(workflow)s.",
                person=sign_in_name(by),
                workflow=workflow.slug,
            )
        )
    ingestor = EventIngestor()
    digest = _digest(inputs) if key is not None and same_inputs else ""
    if key is not None and (first := ingestor.find_first_delivery(f"{source}:{workflow.slug}", key)):
        _check_digest(first, digest)
        return first
    _check_startable(workflow)
    chosen = _find_manual_trigger(workflow, trigger)
    payload = form_validation.check_answers(msgspec.to_builtins(chosen.inputs), inputs) if chosen else dict(inputs)
    event = NewEvent(
        source=f"{source}:{workflow.slug}",
        type=chosen.key if chosen else "",
        payload=as_json(payload),
        form=chosen.inputs if chosen else (),
        delivery_key=key,
        headers=({STARTED_BY: sign_in_name(by)} if by is not None else {}) | ({STARTED_WITH: digest} if digest else {}),
    )
    [ingested] = ingestor.ingest(event)
    if ingested.duplicate:
        _check_digest(ingested, digest)
    else:
        audit.record(by, "workflow.run_started", workflow, trace_id=ingested.trace_id)
    return ingested


def _check_startable(workflow: Workflow) -> None:
    """Keep the workflow until the transaction ends. Raises NotStartableError."""
    if not database.run(None, _KEPT, {"id": workflow.pk}):
        raise NotStartableError(text("The workflow %(workflow)s was deleted.", workflow=workflow.slug))
    if workflow.status not in {Workflow.Status.ACTIVE, Workflow.Status.PAUSED}:
        if workflow.status == Workflow.Status.ARCHIVED:
            message = text("The workflow %(workflow)s is archived. Publish it first.", workflow=workflow.slug)
        else:
            message = text("The workflow %(workflow)s is a draft. Publish it first.", workflow=workflow.slug)
        raise NotStartableError(message)
    run_as = workflow.published.run_as if workflow.published else workflow.run_as
    if not run_as.is_active:
        raise NotStartableError(
            text(
                "The run-as user %(user)s of the workflow %(workflow)s is not active.",
                user=sign_in_name(run_as),
                workflow=workflow.slug,
            )
        )


def _digest(inputs: Mapping[str, Any]) -> str:
    """Keyed, so that the inputs cannot be guessed from it."""
    written = json.dumps(inputs, sort_keys=True, default=str)
    return salted_hmac(STARTED_WITH, written, algorithm="sha256").hexdigest()


def _check_digest(first: IngestResult, digest: str) -> None:
    """Raise KeyReusedError where the first start had other inputs. An erased event does not say what it had."""
    if digest:
        headers = Event.objects.values_list("headers", flat=True).get(pk=first.event_id)
        if headers.get(STARTED_WITH, digest) != digest:
            raise KeyReusedError(text("This idempotency key was used for other inputs. Use a new key."))


def agent_trigger(definition: Definition) -> ManualTrigger | None:
    """The trigger by which agents start the workflow; None when it is not available to them."""
    if definition.agents is None or not definition.agents.enabled:
        return None
    return next((trigger for trigger in definition.enabled_triggers if isinstance(trigger, ManualTrigger)), None)


def accepts_any_payload(workflow: Workflow) -> bool:
    """Whether a manual start accepts any payload, because no manual trigger declares fields."""
    return _find_manual_trigger(workflow, "") is None


def manual_form_fields(workflow: Workflow) -> list[dict[str, Any]]:
    """The documents of the fields of a manual start; none where any payload is accepted."""
    chosen = _find_manual_trigger(workflow, "")
    fields: list[dict[str, Any]] = msgspec.to_builtins(chosen.inputs) if chosen else []
    return fields


def _find_manual_trigger(workflow: Workflow, key: str) -> ManualTrigger | None:
    definition = published_definition(workflow)
    found = [t for t in definition.triggers if isinstance(t, ManualTrigger)] if definition else []
    wanted = [trigger for trigger in found if key in {"", trigger.key}]
    if key and not wanted:
        if not found:
            raise NotStartableError(text("The workflow %(workflow)s has no manual trigger.", workflow=workflow.slug))
        raise NotStartableError(
            text(
                "The workflow %(workflow)s has no manual trigger '%(key)s'. Available: %(keys)s.",
                workflow=workflow.slug,
                key=key,
                keys=", ".join(trigger.key for trigger in found),
            )
        )
    return wanted[0] if wanted else None
