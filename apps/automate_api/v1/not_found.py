"""Objects that do not exist or that the caller may not view, in one sentence for each kind: REST and MCP say the same.

`find_object` is how an operation finds the one object that its path names.
"""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet
from django.http import Http404

from automate_api.models import ApiToken
from automate_authoring.library.files import Template
from automate_connectors.models import Connection
from automate_core.models import (
    BulkAction,
    Erasure,
    Event,
    ExecutionRun,
    FailureGroup,
    OutboxJob,
    StepRun,
    StoredFile,
    Wait,
    WebhookEndpoint,
    Workflow,
    WorkflowVersion,
)
from automate_governance.models import AuditEntry, StoredSecret
from automate_plugins import text
from automate_plugins.texts import Text

_SENTENCES: dict[type, str] = {
    ApiToken: text("You have no token %(name)s."),
    AuditEntry: text("There is no audit entry %(name)s."),
    BulkAction: text("You have no bulk action %(name)s."),
    Connection: text("There is no connection %(name)s that you can view."),
    Erasure: text("There is no erasure %(name)s."),
    Event: text("There is no event %(name)s that you can view."),
    ExecutionRun: text("There is no run %(name)s that you can view."),
    FailureGroup: text("There is no failure group %(name)s that you can view."),
    OutboxJob: text("There is no dead job %(name)s."),
    StepRun: text("The run has no attempt %(name)s of a step."),
    StoredFile: text("The run has no file %(name)s."),
    StoredSecret: text("There is no secret %(name)s that you can use."),
    Template: text("There is no template %(name)s."),
    Wait: text("You have no approval %(name)s."),
    WebhookEndpoint: text("There is no webhook endpoint %(name)s that you can view."),
    Workflow: text("There is no workflow %(name)s that you can view."),
    WorkflowVersion: text("The workflow has no version %(name)s."),
}
_MOST_NAMED = 5


class NotFoundError(Http404):
    """The caller named what does not exist, or what they may not know of. `str()` names its kind, and it."""


def not_found(kind: type, *names: Any) -> NotFoundError:
    """The error for one object or several, by their names as the caller wrote them."""
    return NotFoundError(not_found_words(kind, *names))


def not_found_words(kind: type, *names: Any) -> str:
    """The sentence for what was not found."""
    shown = [repr(name) if isinstance(name, str) else str(name) for name in names[:_MOST_NAMED]]
    return Text(_SENTENCES[kind], {"name": ", ".join(shown)})


def find_object[M: Model](rows: QuerySet[M], **lookup: Any) -> M:
    """The object of `rows` with that one field. Raises NotFoundError, which names it."""
    found = rows.filter(**lookup).first()
    if found is None:
        raise not_found(rows.model, *lookup.values())
    return found
