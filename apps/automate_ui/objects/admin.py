"""Admin pages of governed objects in the studio's frame: form, deletion, and the studio's own list."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404

from automate_governance.admin_site import reverse
from automate_governance.permissions import SITE, can
from automate_governance.texts import translated
from automate_plugins import text
from automate_ui.audit.history import object_history
from automate_ui.htmx import as_htmx_request
from automate_ui.objects import form_view
from automate_ui.objects.form_view import build_sections
from automate_ui.objects.where_used import where_used

FORM, DELETE = "automate_studio/ui/forms/page.html", "automate_studio/ui/forms/delete.html"


class ObjectAdmin:
    """Pages of an object: form, usage, and permitted actions.

    Mix it in before a ModelAdmin, which decides permissions and saving.
    """

    change_form_template = FORM
    add_form_template = FORM
    delete_confirmation_template = DELETE
    new_title = ""  #: title of the page that adds one, marked with `text`
    list_title = ""  #: title of the list, marked with `text`
    share_kind = ""  #: under which `share` knows the model; empty: it is not shared
    above = ""  #: a template above the form
    beside = ""  #: a template beside the form
    save_label = text("Save")
    left_behind = ""  #: a sentence about data that stays after a deletion, marked with `text`
    folded: tuple[str, ...] = ()
    conditions: form_view.Conditions = {}

    def formfield_for_dbfield(self, db_field: models.Field[Any, Any], request: HttpRequest, **kwargs: Any) -> Any:
        """Django's own controls: the templates draw the frame around them."""
        return db_field.formfield(**kwargs)

    def object_context(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """Context of the templates above and beside the form."""
        return {}

    def get_folded(self, form: Any) -> tuple[str, ...]:
        """The sections of the form that are folded at first."""
        return self.folded

    def get_conditions(self, form: Any) -> form_view.Conditions:
        """What the fields of this form depend on."""
        return self.conditions

    def add_title(self, form: Any) -> str:
        """Title of the add page."""
        return translated(self.new_title)

    def form_context(self, form: Any) -> dict[str, Any]:
        """Context of the form page beside its fields."""
        return {}

    def readonly_facts(self, request: HttpRequest, obj: Any) -> dict[str, tuple[str, Any]]:
        """Read-only fields: (label, text) by name."""
        return {}

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """The list, for people who may view at least one object."""
        if not self.has_module_permission(request):  # type: ignore[attr-defined]
            raise Http404
        return self.list_view(request)

    def list_view(self, request: HttpRequest) -> HttpResponse:
        raise NotImplementedError

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], add: bool = False, change: bool = False,
        form_url: str = "", obj: Any = None,
    ) -> HttpResponse:  # fmt: skip
        """The form page."""
        form = context["adminform"].form
        may_save = self.has_change_permission(request, obj) if obj else self.has_add_permission(request)  # type: ignore[attr-defined]
        groups = [(title or "", options["fields"]) for title, options in self.get_fieldsets(request, obj)]  # type: ignore[attr-defined]
        sections = build_sections(
            form,
            groups,
            conditions=self.get_conditions(form),
            facts=self.readonly_facts(request, obj) if obj else {},
            folded=self.get_folded(form),
            editable=may_save,
        )
        shown = {
            **context,
            "title": str(obj) if obj else self.add_title(form),
            "sections": sections,
            "faults": [each for section in sections for each in section.fields if each.message],
            "form": form,
            "back": self._url("changelist"),
            "list_title": self.list_title,
            "save_label": self.save_label,
            "may_save": may_save,
            "above": self.above if obj else "",
            "beside": self.beside if obj else "",
            **self.form_context(form),
            **(self._around(request, obj) if obj else {}),
        }
        response: HttpResponse = super().render_change_form(request, shown, add, change, form_url, obj)  # type: ignore[misc]
        return response

    def _around(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        may_share = self.share_kind and can(request.user, "share", obj)
        return {
            "used": where_used(request.user, [obj])[obj.pk],
            "history_url": self._url("history", obj.pk) if self._may_read_history(request, obj) else "",
            "share_url": reverse("studio:share", args=[self.share_kind, obj.pk]) if may_share else "",
            "delete_url": self._url("delete", obj.pk) if self.has_delete_permission(request, obj) else "",  # type: ignore[attr-defined]
            **self.object_context(request, obj),
        }

    def _may_read_history(self, request: HttpRequest, obj: Any) -> bool:
        return can(request.user, "audit", SITE) or self.has_change_permission(request, obj)  # type: ignore[attr-defined]

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Audit entries of the object."""
        obj = self.get_object(request, object_id)  # type: ignore[attr-defined]
        if obj is None:
            raise Http404
        return object_history(request, obj, str(obj), self._url("change", obj.pk))

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Usage of the object, and the confirmation."""
        obj = self.get_object(request, object_id)  # type: ignore[attr-defined]
        used = where_used(request.user, [obj])[obj.pk] if obj is not None else None
        shown = {**(extra_context or {}), "used": used, "back": self._url("changelist"), "original": obj}
        shown["left_behind"] = self.left_behind
        response: HttpResponse = super().delete_view(request, object_id, shown)  # type: ignore[misc]
        return response

    def render_delete_form(self, request: HttpRequest, context: dict[str, Any]) -> HttpResponse:
        """The confirmation as a page, or as a dialog's content for htmx."""
        shown = {**context, "is_dialog": bool(as_htmx_request(request).htmx)}
        response: HttpResponse = super().render_delete_form(request, shown)  # type: ignore[misc]
        return response

    def get_visible(self, request: HttpRequest, pk: int) -> Any:
        """The object, if this person may view it. Raises Http404."""
        return get_object_or_404(self.get_queryset(request), pk=pk)  # type: ignore[attr-defined]

    def _url(self, page: str, *args: Any) -> str:
        meta = self.opts  # type: ignore[attr-defined]
        return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=args)
