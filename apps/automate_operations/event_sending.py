"""Events that people and programs send, in the name of the host's code, to the workflows that they may run.

A sent event is matched at once, by the code that matches events. It starts a workflow only when the sender may run it:
by an event, a person starts no more workflows than manually.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from django.db import transaction

from automate_core.database import AutomateNow
from automate_core.events import event_types
from automate_core.ids import new_trace_id
from automate_core.models import Event, Workflow
from automate_core.outbox import subjects
from automate_core.triggers.host_events import as_json
from automate_governance import audit
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import NotPermittedError, Person, has_scope, holds_anywhere
from automate_operations.runs.replay import ReplayResult, start_matching
from automate_plugins import text
from automate_plugins.errors import AutomateError

SCOPE = "event:send"  #: of tokens
SENT_BY = "automate-sent-by"  #: header of an event that names the person who sent it


class EventTypeError(AutomateError, ValueError, code="unknown_event_type"):
    """No event of this type can be sent; the message says why."""


@transaction.atomic
def send_event(event_type: str, payload: Mapping[str, Any], *, by: Person, sender: str) -> ReplayResult:
    """Store an event with the source `api`, and start the workflows that listen to its type and that `by` may run.

    Audited. `sender` names the token. Raises NotPermittedError, EventTypeError for a type that the settings do not
    list, and TypeError for a payload that JSON cannot hold.
    """
    if not has_scope(by, SCOPE) or not holds_anywhere(by, "run", Workflow):
        raise NotPermittedError(text("You need the Run permission for a workflow to send events."))
    if not event_types.is_declared(event_type):
        raise EventTypeError(event_types.listen_problem(by, event_type))
    document = msgspec.json.decode(as_json(payload))
    event = Event.objects.create(
        source=event_types.SENT_SOURCE,
        type=event_type,
        payload=document,
        headers={SENT_BY: sign_in_name(by)},
        trace_id=new_trace_id(),
        received_at=AutomateNow(),
        subject=subjects.guess_subject(document),
    )
    event.refresh_from_db(fields=["received_at"])
    runs = start_matching(event, by)
    changes = {"type": event_type, "sender": sender, "runs": len(runs)}
    audit.record(by, "event.sent", event, changes=changes, trace_id=event.trace_id)
    return ReplayResult(event, runs)
