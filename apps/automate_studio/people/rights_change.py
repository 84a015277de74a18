"""Asks before people lose permissions that published workflows need, by a change or a deletion."""

from __future__ import annotations

from typing import Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import ProtectedError, Q, QuerySet
from django.forms import BaseModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext

from automate_governance.people.labels import group_label
from automate_operations.offboarding.lost_rights import LostRights, find_lost_rights
from automate_studio.people.hand_over import hand_over_url
from automate_ui.admin_page import render_page

_CONFIRMED = {"_permissions", "_deactivate", "_saveasnew"}  #: buttons that answer a question, or make another object
_FIELDS = {"groups", "user_permissions", "is_superuser", "permissions", "roles"}


class RightsMixin:
    """Put it before `ModelAdmin` of a group or user: what would stop published workflows is confirmed first."""

    def changeform_view(
        self, request: HttpRequest, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        """Django's own page, or the question."""
        if object_id and request.method == "POST" and not _CONFIRMED & request.POST.keys():
            obj = self.get_object(request, object_id)  # type: ignore[attr-defined]
            if obj is not None and self.has_change_permission(request, obj):  # type: ignore[attr-defined]
                form = self.get_form(request, obj, change=True)(request.POST, request.FILES, instance=obj)  # type: ignore[attr-defined]
                if lost := _find_lost(form):
                    title = gettext("Take permissions from %(name)s?") % {"name": _name(obj)}
                    may_hand_over = request.user.is_superuser and not isinstance(obj, Group)
                    return _confirmation_page(
                        request, title, lost, hand_over=hand_over_url(obj) if may_hand_over else ""
                    )
        answer: HttpResponse = super().changeform_view(request, object_id, form_url, extra_context)  # type: ignore[misc]
        return answer

    def delete_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        """The question, which comes before Django's own page, or that."""
        if question := self._ask_deletion(request, [object_id]):
            return question
        answer: HttpResponse = super().delete_view(request, object_id, *args, **options)  # type: ignore[misc]
        return answer

    def changelist_view(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        """Django's own list, or the question."""
        deletes = request.POST.get("action") == "delete_selected"
        is_part = request.POST.get("select_across") == "1" and "post" not in request.POST  # Django's page names all
        chosen = request.POST.getlist(ACTION_CHECKBOX_NAME) if deletes and not is_part else []
        if chosen and (question := self._ask_deletion(request, chosen)):
            return question
        answer: HttpResponse = super().changelist_view(request, *args, **options)  # type: ignore[misc]
        return answer

    def _ask_deletion(self, request: HttpRequest, keys: list[str]) -> HttpResponse | None:
        """The question; None where nothing would stop, the deletion is refused anyway, or was confirmed."""
        found = [self.get_object(request, key) for key in keys] if not _CONFIRMED & request.POST.keys() else []  # type: ignore[attr-defined]
        objs = [obj for obj in found if obj is not None]
        if not objs or not all(self.has_delete_permission(request, obj) for obj in objs):  # type: ignore[attr-defined]
            return None
        chosen = type(objs[0])._default_manager.filter(pk__in=[obj.pk for obj in objs])
        try:
            lost = find_lost_rights(_people(*objs), chosen.delete)
        except ProtectedError:
            return None
        if not lost:
            return None
        title = gettext("Delete %(name)s?") % {"name": ", ".join(map(_name, objs))}
        return _confirmation_page(request, title, lost, deletes=True)


def _find_lost(form: BaseModelForm[Any]) -> LostRights | None:
    """What the form would stop; None where it is not valid, or changes no permission."""
    if form.files or not _FIELDS & set(form.fields) or not form.is_valid() or not _FIELDS & set(form.changed_data):
        return None
    return find_lost_rights(_people(form.instance), form.save)


def _people(*objs: Any) -> QuerySet[Any]:
    """These people, and the members of these groups."""
    groups = [obj.pk for obj in objs if isinstance(obj, Group)]
    people = [obj.pk for obj in objs if not isinstance(obj, Group)]
    return get_user_model()._default_manager.filter(Q(groups__in=groups) | Q(pk__in=people)).distinct()


def _name(obj: Any) -> str:
    return group_label(obj.name) if isinstance(obj, Group) else str(obj)


def _confirmation_page(
    request: HttpRequest, title: str, lost: LostRights, *, deletes: bool = False, hand_over: str = ""
) -> HttpResponse:
    """The question, whose button sends the form again, or deletes as the button of Django's own page does."""
    sent = {**dict(request.POST.lists()), **({"post": ["yes"]} if deletes else {})}
    fields = [(key, value) for key, values in sent.items() for value in values]
    return render_page(
        request,
        "automate_studio/people/lost_rights.html",
        title,
        **lost.page_context(),
        fields=[field for field in fields if field[0] != "csrfmiddlewaretoken"],
        hand_over=hand_over,
        button=gettext("Delete anyway") if deletes else gettext("Save anyway"),
        back=request.get_full_path(),
    )
