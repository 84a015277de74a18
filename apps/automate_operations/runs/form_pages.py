"""Pages of hosted forms: steps that wait for a further answer of a person, and what that person is shown meanwhile."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from django.contrib.auth.models import AnonymousUser
from django.core import signing
from django.db import transaction

from automate_core.definition import form_validation
from automate_core.files.uploads import accept_uploads
from automate_core.models import Event, ExecutionRun, Wait
from automate_core.runs.lookup import is_waiting_for_worker
from automate_core.runs.waits import resolution
from automate_core.states import FINAL_RUN_STATES, WaitStatus
from automate_core.webhooks.callback_urls import read_page_token
from automate_governance import audit
from automate_governance.permissions import User

VISIT_SECONDS = 30 * 24 * 3600  #: how long the address behind a form shows further pages
_VISIT_SALT = "automate.form_visit"


class PageOverError(Exception):
    """The page was answered, its deadline is over, or its run has ended."""


@dataclass(frozen=True, kw_only=True)
class Visit:
    """The state that a person is shown after answering a form.

    `page` is the open wait of the next page; `waits` says whether there may be one later.
    """

    event: Event
    slug: str
    page: Wait | None = None
    waits: bool = False


def visit_token(slug: str, event_id: str, person: User | None) -> str:
    """The signed token in the address behind a form, for `person` alone if one has signed in."""
    values = {"f": slug, "e": event_id, "u": str(person.pk or "") if person else ""}
    return signing.dumps(values, salt=_VISIT_SALT)


def find_visit(token: str, person: User) -> Visit | None:
    """What the token's bearer is shown; None for a token that is not ours, too old or another person's."""
    found = _read_visit(token)
    event = Event.objects.filter(pk=found["e"]).first() if found else None
    if found is None or event is None or (found["u"] and found["u"] != str(person.pk or "")):
        return None
    is_matching = is_waiting_for_worker(event.pk)  # before its runs are looked for
    runs = list(ExecutionRun.objects.filter(event=event, cause=ExecutionRun.Cause.TRIGGER))
    pages = Wait.objects.filter(run__in=runs, kind=Wait.Kind.FORM, status=WaitStatus.OPEN, data__shown_to="submitter")
    live = [run for run in runs if run.status not in FINAL_RUN_STATES]
    page = pages.filter(run__in=live).select_related("run__workflow").order_by("id").first()
    return Visit(event=event, slug=found["f"], page=page, waits=bool(live) or (is_matching and not runs))


def needs_sign_in(token: str, person: User) -> bool:
    """Whether the token is of a person who has to sign in first."""
    found = _read_visit(token)
    return found is not None and bool(found["u"]) and not person.is_authenticated


def _read_visit(token: str) -> dict[str, str] | None:
    try:
        found: dict[str, str] = signing.loads(token, salt=_VISIT_SALT, max_age=VISIT_SECONDS)
    except signing.BadSignature:
        return None
    return found


def find_page(token: str) -> Wait | Literal["over"] | None:
    """The open wait at the address of a page; `over` when it does not wait any more; None for a token not ours."""
    known = read_page_token(token)
    if known is None:
        return None
    waits = Wait.objects.filter(run=known[0], path=known[1], kind=Wait.Kind.FORM, status=WaitStatus.OPEN)
    wait = waits.select_related("run__workflow").exclude(run__status__in=FINAL_RUN_STATES).first()
    return wait or "over"


def check_page(wait: Wait, answers: Mapping[str, Any]) -> None:
    """Raise AnswersError for answers that `answer_page` would not accept."""
    form_validation.check_answers((wait.data or {}).get("form", []), answers)


@transaction.atomic
def answer_page(wait_id: uuid.UUID, answers: Mapping[str, Any], *, by: User | None = None) -> None:
    """Resolve the wait of a page with the answers to its form. Only the first ones count.

    Raises PageOverError, and AnswersError with a sentence for each field.
    """
    run_id = Wait.objects.filter(pk=wait_id, kind=Wait.Kind.FORM).values_list("run", flat=True).first()
    run = resolution.lock_run(run_id) if run_id else None
    wait = Wait.objects.select_for_update(no_key=True).filter(pk=wait_id).first()
    if run is None or wait is None or run.status in FINAL_RUN_STATES or wait.status != WaitStatus.OPEN:
        raise PageOverError
    form = form_validation.check_answers((wait.data or {}).get("form", []), answers)
    accept_uploads(str(wait.pk), form, run_id=run.pk)
    resolution.resolve_wait(wait, run, {"outcome": "submitted", "form": form})
    audit.record(by or AnonymousUser(), "run.form_answered", run, changes={"step": wait.path}, trace_id=run.trace_id)
