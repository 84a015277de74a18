"""Hosted forms: their addresses, who may answer them, and answers that become events."""

from __future__ import annotations

import datetime as dt
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard
from zoneinfo import ZoneInfo

import msgspec
from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from django.core import signing
from django.db import IntegrityError, transaction
from django.db.models import F
from django.urls import NoReverseMatch
from django.utils.crypto import constant_time_compare

from automate_core import artifacts, database
from automate_core.conf import setting
from automate_core.definition import form_validation
from automate_core.definition.document import Definition, DefinitionError, FormTrigger, Problem, Trigger, WaitStep
from automate_core.definition.published import published_definition
from automate_core.definition.slots import walk
from automate_core.files.uploads import accept_uploads
from automate_core.ids import new_trace_id
from automate_core.models import HostedForm, Workflow
from automate_core.outbox.ingest import EventIngestor, IngestResult, NewEvent
from automate_core.triggers import proof_of_work
from automate_core.triggers.host_events import as_json
from automate_core.triggers.manual import FORM, STARTED_BY
from automate_governance import audit
from automate_governance.admin_site import reverse
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import User
from automate_plugins import text

TOKEN_SECONDS = 24 * 3600  #: how long a page may stay open before its answers are sent
_TOKEN_SALT = "automate.form_token"  # noqa: S105 - no secret
_LINK_SALT = "automate.form_link"


class FormClosedError(Exception):
    """The form accepts no answer now; the message says why."""


class FormTokenError(ValueError):
    """The token of the page is not one of ours, of another person, too new or too old; the message says which."""


@dataclass(frozen=True, kw_only=True)
class OpenForm:
    """A form of a published workflow. Being found says nothing about whether it accepts answers: `closed_reason`."""

    row: HostedForm
    trigger: FormTrigger
    timezone: str
    has_pages: bool  #: whether the workflow shows further pages to the person who answers

    @property
    def workflow(self) -> Workflow:
        """The workflow that an answer starts."""
        return self.row.workflow

    @property
    def source(self) -> str:
        """The source of the events of its answers."""
        return f"{FORM}{self.workflow.slug}"

    @property
    def fields(self) -> list[dict[str, Any]]:
        """The documents of its fields."""
        fields: list[dict[str, Any]] = msgspec.to_builtins(self.trigger.inputs)
        return fields


def find_form(slug: str) -> OpenForm | None:
    """The form at `/forms/<slug>/`; None where no published workflow has one."""
    row = HostedForm.objects.select_related("workflow__published__run_as", "workflow__run_as").filter(slug=slug).first()
    definition = published_definition(row.workflow) if row else None
    if row is None or definition is None:
        return None
    triggers = (each for each in definition.enabled_triggers if isinstance(each, FormTrigger) and each.key == row.key)
    trigger = next(triggers, None)
    if trigger is None:
        return None
    return OpenForm(row=row, trigger=trigger, timezone=definition.timezone, has_pages=_has_pages(definition))


def _has_pages(definition: Definition) -> bool:
    """Whether a step is a further page for the person who answers."""
    return any(
        isinstance(step, WaitStep) and step.form and step.shown_to == "submitter" and not step.disabled
        for _, step in walk(definition.steps)
    )


def closed_reason(form: OpenForm) -> str:
    """Why the form accepts no answers now, as a sentence for the people who would answer; empty when it does."""
    version = form.workflow.published
    if form.workflow.status != Workflow.Status.ACTIVE or version is None or not version.run_as.is_active:
        return text("This form is closed at the moment.")
    if form.trigger.proof_of_work and not proof_of_work.is_installed():
        return text("This form is closed at the moment.")
    at = closing_time(form.trigger, form.timezone)
    if at is not None and at <= database.now():
        return text("This form is closed: its deadline has passed.")
    most = form.trigger.maximum_answers
    if most is not None and form.row.answers >= most:
        return text("This form is closed: it has received the maximum number of answers.")
    return ""


def closing_time(trigger: FormTrigger, timezone: str) -> dt.datetime | None:
    """When a form closes; None for one without an end."""
    if not trigger.closes_at:
        return None
    at = dt.datetime.fromisoformat(trigger.closes_at)
    return at if at.tzinfo else at.replace(tzinfo=ZoneInfo(timezone))


# --- publishing -------------------------------------------------------------------------------------------------------


def activate_forms(workflow: Workflow, definition: Definition) -> None:
    """Replace a workflow's addresses by those of a published version. A form that keeps its key keeps its count.

    Raises DefinitionError for an address that another workflow has.
    """
    wanted = {each.key: each for each in definition.enabled_triggers if isinstance(each, FormTrigger)}
    workflow.forms.exclude(key__in=wanted).delete()
    moved = [row for row in workflow.forms.all() if row.slug != wanted[row.key].slug]
    counts = {row.key: row.answers for row in moved}
    workflow.forms.filter(key__in=counts).delete()  # so that two forms may exchange their addresses
    present = set(workflow.forms.values_list("key", flat=True))
    for index, trigger in enumerate(definition.triggers):
        if trigger.key not in wanted or trigger.key in present or not isinstance(trigger, FormTrigger):
            continue
        try:
            with transaction.atomic():
                HostedForm.objects.create(
                    workflow=workflow, key=trigger.key, slug=trigger.slug, answers=counts.get(trigger.key, 0)
                )
        except IntegrityError as error:
            raise DefinitionError([_taken(trigger, f"triggers[{index}]")]) from error


def site_problems(definition: Definition) -> Iterator[Problem]:
    """Problems of forms that only the site shows: addresses that others have, pages or files that it does not serve."""
    yield from _file_problems(definition)
    forms = [(index, each) for index, each in enumerate(definition.triggers) if isinstance(each, FormTrigger)]
    if not forms:
        return
    others = HostedForm.objects.exclude(workflow__slug=definition.slug)
    taken = set(others.filter(slug__in=[each.slug for _, each in forms]).values_list("slug", flat=True))
    own: set[str] = set()
    for index, trigger in forms:
        place = f"triggers[{index}]"
        if trigger.slug in own:
            reason = text("The address %(slug)s is already used by another form of this workflow.", slug=trigger.slug)
            yield Problem(f"{place}.slug", reason)
        own.add(trigger.slug)
        if trigger.proof_of_work and not proof_of_work.is_installed():
            reason = text(
                "Proof of work needs the extra %(extra)s: pip install 'django-automate[%(extra)s]'.", extra="altcha"
            )
            yield Problem(f"{place}.proof_of_work", reason)
        if trigger.slug in taken and not trigger.disabled:
            yield _taken(trigger, place)
        if trigger.slug and not form_url(trigger.slug):
            yield Problem(
                f"{place}.slug",
                text("This site serves no forms: its URLs do not include automate_studio.forms.urls."),
            )


def _file_problems(definition: Definition) -> Iterator[Problem]:
    """Fields for files where the site has no storage for them."""
    if artifacts.storage() is not None:
        return
    lists = [
        *((f"triggers[{i}].inputs", each.inputs) for i, each in enumerate(definition.triggers) if _is_form(each)),
        *((f"{place}.form", step.form) for place, step in walk(definition.steps) if isinstance(step, WaitStep)),
    ]
    for place, fields in lists:
        for index, field in enumerate(fields):
            if field.kind == "file":
                reason = text("Files need a storage. Ask an administrator to set AUTOMATE_DOCUMENTS_STORAGE.")
                yield Problem(f"{place}[{index}].kind", reason)


def _is_form(trigger: Trigger) -> TypeGuard[FormTrigger]:
    return isinstance(trigger, FormTrigger)


def _taken(trigger: FormTrigger, place: str) -> Problem:
    reason = text("The address %(slug)s is already used by a form of another workflow.", slug=trigger.slug)
    return Problem(f"{place}.slug", reason)


# --- addresses --------------------------------------------------------------------------------------------------------


def form_url(slug: str, key: str = "") -> str:
    """The URL of a form, with the key of its secret link if it has one; empty when the project serves no forms."""
    try:
        path = reverse("automate_forms:form", args=[slug, key] if key else [slug])
    except NoReverseMatch:
        return ""
    return f"{settings.AUTOMATE_SITE_URL}{path}"


def link_key(workflow_id: int, trigger: FormTrigger) -> str:
    """The key in the secret link of a form; always the same for one `link_number`."""
    return signing.Signer(salt=_LINK_SALT).signature(f"{workflow_id}:{trigger.slug}:{trigger.link_number}")


def has_link_key(form: OpenForm, key: str) -> bool:
    """Whether `key` is that of the form's secret link."""
    return constant_time_compare(key, link_key(form.workflow.pk, form.trigger))


# --- tokens of pages --------------------------------------------------------------------------------------------------


def issue_token(subject: str, person: User) -> str:
    """A signed token for one answer to the form or page `subject`, by `person` if one has signed in.

    It takes the place of a CSRF cookie, which browsers do not send in a frame of another site.
    """
    values = {"s": subject, "u": _person_id(person), "n": new_trace_id(), "t": time.time()}
    return signing.dumps(values, salt=_TOKEN_SALT)


def read_token(token: str, subject: str, person: User) -> str:
    """The nonce of a token: the delivery key of the answer, and its trace id. Raises FormTokenError."""
    stale = text("This page was open for too long. Check your answers and submit them again.")
    try:
        found = signing.loads(token, salt=_TOKEN_SALT, max_age=TOKEN_SECONDS)
    except signing.BadSignature as error:
        raise FormTokenError(stale) from error
    if found["s"] != subject or found["u"] != _person_id(person):
        raise FormTokenError(stale)
    is_program = not person.is_authenticated and time.time() - found["t"] < setting("AUTOMATE_FORM_SECONDS")
    if is_program:
        raise FormTokenError(text("That was very quick. Check your answers and submit them again."))
    return str(found["n"])


def _person_id(person: User) -> str:
    return str(person.pk or "")


# --- answers ----------------------------------------------------------------------------------------------------------


def check_answer(form: OpenForm, answers: Mapping[str, Any]) -> None:
    """Raise AnswersError for answers that `accept_answer` would not accept."""
    form_validation.check_answers(form.fields, answers)


@transaction.atomic
def accept_answer(form: OpenForm, answers: Mapping[str, Any], *, key: str, by: User) -> IngestResult:
    """Store the answer to a form as an event; `key` is the nonce of its page: two answers with one key are one.

    Files among the answers are values of files that were sent on that page.

    Raises FormClosedError, and AnswersError with a sentence for each field.
    """
    ingestor = EventIngestor()
    row = HostedForm.objects.select_for_update(no_key=True).filter(pk=form.row.pk).first()
    if first := ingestor.find_first_delivery(form.source, key):
        return first
    if row is None:
        raise FormClosedError(text("This form is closed at the moment."))
    form.row.answers = row.answers
    if reason := closed_reason(form):
        raise FormClosedError(reason)
    payload = form_validation.check_answers(form.fields, answers)
    person = by if by.is_authenticated and form.trigger.access == "signed_in" else None
    [ingested] = ingestor.ingest(
        NewEvent(
            source=form.source,
            type=form.trigger.key,
            payload=as_json(payload),
            form=form.trigger.inputs,
            delivery_key=key,
            trace_id=key,
            headers={STARTED_BY: sign_in_name(person)} if person else {},
        )
    )
    if not ingested.duplicate:
        accept_uploads(key, payload, event_id=uuid.UUID(ingested.event_id))
        HostedForm.objects.filter(pk=row.pk).update(answers=F("answers") + 1)
        audit.record(
            person or AnonymousUser(),
            "workflow.form_answered",
            form.workflow,
            changes={"form": form.trigger.slug},
            trace_id=ingested.trace_id,
        )
    return ingested
