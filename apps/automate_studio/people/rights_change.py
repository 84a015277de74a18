"""Asks before a person or a group loses permissions that published workflows need."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.forms import BaseModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from automate_core.operations.offboarding.lost_rights import LostRights, find_lost_rights
from automate_governance.people.labels import group_label
from automate_governance.texts import translated
from automate_studio.people.hand_over import hand_over_url, object_url
from automate_studio.ui.admin_page import render_page

_CONFIRMED = {"_permissions", "_deactivate", "_saveasnew"}  #: buttons that answer a question, or make another object
_FIELDS = {"groups", "user_permissions", "is_superuser", "permissions", "roles"}


class RightsMixin:
    """Put it before `ModelAdmin` of a group or user: saving what would stop published workflows is confirmed first."""

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Django's own page, or the question."""
        if object_id and request.method == "POST" and not _CONFIRMED & request.POST.keys():
            obj = self.get_object(request, object_id)  # type: ignore[attr-defined]
            if obj is not None and self.has_change_permission(request, obj):  # type: ignore[attr-defined]
                form = self.get_form(request, obj, change=True)(request.POST, request.FILES, instance=obj)  # type: ignore[attr-defined]
                if lost := _find_lost(form):
                    return _ask(request, obj, lost)
        answer: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[misc]
        return answer


def _find_lost(form: BaseModelForm[Any]) -> LostRights | None:
    """What the form would stop; None where it is not valid, or changes no permission."""
    if form.files or not _FIELDS & set(form.fields) or not form.is_valid() or not _FIELDS & set(form.changed_data):
        return None
    return find_lost_rights(_people(form.instance), form.save)


def _people(obj: Any) -> QuerySet[Any]:
    people = get_user_model()._default_manager.all()
    return people.filter(groups=obj) if isinstance(obj, Group) else people.filter(pk=obj.pk)


def _ask(request: HttpRequest, obj: Any, lost: LostRights) -> HttpResponse:
    name = group_label(obj.name) if isinstance(obj, Group) else str(obj)
    fields = [(key, value) for key, values in request.POST.lists() for value in values]
    return render_page(
        request,
        "automate_studio/people/lost_rights.html",
        gettext("Take permissions from %(name)s?") % {"name": name},
        name=name,
        workflows=[
            (workflow.name, object_url(workflow), [translated(reason) for reason in reasons])
            for workflow, reasons in lost.reasons
        ],
        approvals=[(workflow.name, object_url(workflow)) for workflow in lost.approvals],
        open_approvals=lost.open_approvals,
        fields=[field for field in fields if field[0] != "csrfmiddlewaretoken"],
        hand_over=hand_over_url(obj) if request.user.is_superuser and not isinstance(obj, Group) else "",
        back=request.get_full_path(),
    )
