"""Presence in the builder: other people with the draft open; a page reports itself and expires after half a minute."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from automate_core.definition.step_names import title_of_key
from automate_core.definition.step_paths import START
from automate_core.models import Workflow
from automate_governance.people.names import sign_in_name
from automate_governance.permissions import Person
from automate_studio.builder.panel.steps import SETTINGS
from automate_studio.models import Presence
from automate_ui.navigation.http import clean_text, current_person
from automate_ui.request_params import get_editable_workflow

ACTIVE_FOR = dt.timedelta(seconds=30)


@dataclass(frozen=True)
class PresentPerson:
    """Another person at the draft; `step` is the key of their step, `place` its name."""

    name: str
    step: str
    place: str


@require_POST
def report_presence(request: HttpRequest, pk: int) -> HttpResponse:
    """Record where this person is, or with `leave` that they left, and show the others."""
    workflow = get_editable_workflow(request, pk)
    person = current_person(request)
    if request.POST.get("leave"):
        Presence.objects.filter(workflow=workflow, person=person).delete()
        return HttpResponse(status=204)
    record_presence(workflow, person, clean_text(request.POST.get("step")).rpartition("/")[2][:64])
    context = {"others": present_people(workflow, but=person), "workflow": workflow}
    return TemplateResponse(request, "automate_studio/builder/presence.html", context)


def record_presence(workflow: Workflow, person: Person, step: str) -> None:
    """Record that a person is there now. Expired rows are deleted."""
    now = timezone.now()
    Presence.objects.filter(workflow=workflow, seen_at__lt=now - ACTIVE_FOR).exclude(person=person).delete()
    row = Presence(workflow=workflow, person=person, step=step, seen_at=now)
    Presence.objects.bulk_create(
        [row], update_conflicts=True, unique_fields=["workflow", "person"], update_fields=["step", "seen_at"]
    )


def present_people(workflow: Workflow, *, but: Person) -> list[PresentPerson]:
    """Other people at the draft, by name. Two queries."""
    found = Presence.objects.filter(workflow=workflow, seen_at__gte=timezone.now() - ACTIVE_FOR).exclude(person=but)
    rows = sorted(found.select_related("person"), key=lambda row: sign_in_name(row.person))
    names = dict(workflow.steps.filter(key__in={row.step for row in rows}).values_list("key", "name"))
    return [PresentPerson(sign_in_name(row.person), row.step, _step_name(row.step, names)) for row in rows]


def _step_name(step: str, names: dict[str, str]) -> str:
    if step in names:
        return names[step] or title_of_key(step)
    return {START: _("the triggers"), SETTINGS: _("the settings")}.get(step, "")
