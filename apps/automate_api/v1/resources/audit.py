"""The audit trail, for auditors."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.utils.translation import gettext as _
from ninja import Field, Query, Router, Schema

from automate_api.v1.front_door import TokenRequest
from automate_api.v1.not_found import find_object
from automate_api.v1.pages import Moment, Page, PageQuery, Since, between, closed, form, read_page
from automate_api.v1.problems import ProblemError
from automate_governance import audit
from automate_governance.audit.verification import last_verification
from automate_governance.models import AuditEntry as Entry
from automate_governance.people.origin import Source
from automate_governance.permissions import SITE, NotPermittedError, can
from automate_operations.queries.audit_search import AuditSearch
from automate_operations.queries.statement_timeout import bounded_queries
from automate_plugins import text

router = Router()


class AuditEntry(Schema):
    """Who did what to which object, and from where."""

    id: int
    at: dt.datetime
    actor: str = Field(description="User name, or system.")
    verb: str = Field(description="Code, such as run.cancelled.")
    object_type: str
    object_id: str
    object: str
    changes: dict[str, Any]
    trace_id: str
    source: str = Field(json_schema_extra=closed([*Source.values, ""]))
    address: str
    system_user: str
    token: str = Field(description="Name and prefix of the API token that it was done with.")
    altered: bool = Field(description="Whether it is not what was recorded, here or in the last verification.")

    @staticmethod
    def resolve_token(entry: Entry) -> str:
        return entry.credential

    @staticmethod
    def resolve_changes(entry: Entry) -> dict[str, Any]:
        return audit.readable_changes(entry)


class AuditQuery(PageQuery):
    who: str | None = Field(None, max_length=200, description="User name.")
    verb: str | None = Field(None, max_length=200, description="Beginning of the code.")
    object_type: str | None = Field(None, max_length=200, description="Such as automate_core.workflow.")
    object_id: str | None = Field(None, max_length=200, description="Needs object_type.")
    source: Source | None = None
    trace: str | None = Field(None, max_length=40, json_schema_extra=form("[0-9a-fA-F]*"))
    since: Since = Field(None, description="The last hours or days, a day, or the time after which they were made.")
    until: Moment | None = None
    search: str | None = Field(None, max_length=200, description="Text in the entry.")

    def entries(self) -> Any:
        """Matching entries. Raises ProblemError."""
        if self.object_id is not None and self.object_type is None:
            message = _("Name the object_type of this object_id.")
            raise ProblemError(422, _("The request is not valid."), [("object_type", message)])
        params = {"who": self.who, "verb": self.verb, "source": self.source, "trace": self.trace, "q": self.search}
        if self.object_id is not None:
            params["about"] = f"{self.object_type}:{self.object_id}"
        else:
            params["kind"] = self.object_type
        kept = {name: str(value) for name, value in params.items() if value}
        return AuditSearch(kept, *between(self.since, self.until)).entries()


@router.get("/audit-entries", response=Page[AuditEntry])
def list_audit_entries(request: TokenRequest, query: Query[AuditQuery]) -> dict[str, Any]:
    """List audit entries, newest first."""
    _check_audits(request)
    with bounded_queries():
        found, following = read_page(query.entries().select_related("link"), query)
    return {"items": _marked(found), "next": following}


@router.get("/audit-entries/{int:entry_id}", response=AuditEntry)
def read_audit_entry(request: TokenRequest, entry_id: int) -> Entry:
    """Read one audit entry."""
    _check_audits(request)
    return _marked([find_object(Entry.objects.select_related("link"), pk=entry_id)])[0]


def _marked(entries: list[Entry]) -> list[Entry]:
    altered = audit.altered_entries(entries, last_verification())
    for entry in entries:
        setattr(entry, "altered", entry.pk in altered)  # noqa: B010 # which the model does not have
    return entries


def _check_audits(request: TokenRequest) -> None:
    if not can(request.user, "audit", SITE):
        raise NotPermittedError(text("You need the permission to view the audit trail."))
