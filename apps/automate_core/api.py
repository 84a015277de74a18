"""Functions for the host project's own code.

from automate_core.api import emit

with transaction.atomic():
    order.save()
    emit("order.paid", {"order": order.pk})
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from automate_core.definition.form_validation import AnswersError
from automate_core.events.event_types import SOURCE
from automate_core.models import Workflow
from automate_core.operations.health import health
from automate_core.outbox.ingest import EventIngestor, IngestResult, NewEvent
from automate_core.triggers.host_events import as_json
from automate_core.triggers.manual import NotStartableError, start_workflow
from automate_governance.permissions import NotPermittedError, Person

__all__ = ["AnswersError", "NotPermittedError", "NotStartableError", "emit", "health", "start"]


def emit(event_type: str, payload: Mapping[str, Any], *, key: str | None = None) -> IngestResult:
    """Store an event of the host's code, for the triggers `{kind: event, event: TYPE}`.

    It belongs to the caller's transaction: a rollback leaves nothing. Two events with one `key` are one. Dates,
    decimals and UUIDs in `payload` become what JSON has for them. Raises psycopg.Error when the database rejects it,
    and TypeError for values that JSON cannot hold.
    """
    [ingested] = EventIngestor().ingest(
        NewEvent(source=SOURCE, type=event_type, payload=as_json(payload), delivery_key=key)
    )
    return ingested


def start(slug: str, inputs: Mapping[str, Any] | None = None, *, by: Person, trigger: str = "") -> IngestResult:
    """Start a run of a published workflow; `inputs` become the event's payload. Audited.

    They are checked against the fields of the manual trigger of the key `trigger`, or of the first. It belongs to the
    caller's transaction. Raises NotPermittedError when `by` may not run the workflow, NotStartableError, and
    AnswersError with a sentence for each field.
    """
    workflow = Workflow.objects.filter(slug=slug).first()
    if workflow is None:
        raise NotStartableError(f"there is no workflow {slug!r}")
    return start_workflow(workflow, inputs or {}, by=by, trigger=trigger)
