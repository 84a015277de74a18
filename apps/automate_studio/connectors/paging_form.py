"""The form for further pages of an action's list."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from automate_connectors.declared.document import PagesKind
from automate_connectors.paging import MAX_ITEMS
from automate_connectors.stored.paging_edits import PagesView
from automate_ui.fields import FormFieldView
from automate_ui.objects.form_view import build_sections

PREFIX = "pages"
KINDS = {
    "": gettext_lazy("One page"),
    PagesKind.CURSOR: gettext_lazy("Cursor in the response"),
    PagesKind.PAGE: gettext_lazy("Page number"),
    PagesKind.OFFSET: gettext_lazy("Offset"),
    PagesKind.LINK: gettext_lazy("Link header"),
}
_PLACES = {"query": gettext_lazy("Query"), "body": gettext_lazy("Body")}
_MOST = 100_000

_ALL = tuple(kind.value for kind in PagesKind)
_ASKED = (PagesKind.CURSOR.value, PagesKind.PAGE.value, PagesKind.OFFSET.value)
#: By field, the kinds of pages that have it.
CONDITIONS = {
    "items": _ALL,
    "cursor": (PagesKind.CURSOR.value,),
    "last_item": (PagesKind.CURSOR.value,),
    "parameter": _ASKED,
    "where": _ASKED,
    "first": (PagesKind.PAGE.value,),
    "more": _ASKED,
    "size_parameter": _ALL,
    "size_most": _ALL,
    "limit": _ALL,
}


class PagesForm(forms.Form):
    """How a service announces further pages of a list, as `pages` of the format says it."""

    kind = forms.ChoiceField(required=False, choices=list(KINDS.items()), label=gettext_lazy("Further pages"))
    items = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Path of the list"),
        help_text=gettext_lazy("In the response, for example data.items. Leave empty if the response is the list."),
    )
    cursor = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Path of the next cursor"),
        help_text=gettext_lazy("In the response, for example paging.next. A URL is followed."),
    )
    last_item = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Or a value of the last item"),
        help_text=gettext_lazy("For example id, if the last item is the cursor."),
    )
    parameter = forms.CharField(
        required=False,
        max_length=100,
        label=gettext_lazy("Parameter"),
        help_text=gettext_lazy("It carries the cursor, the page number or the offset."),
    )
    where = forms.ChoiceField(required=False, choices=list(_PLACES.items()), label=gettext_lazy("Parameter in"))
    first = forms.IntegerField(required=False, min_value=0, max_value=_MOST, label=gettext_lazy("First page"))
    more = forms.CharField(
        required=False,
        max_length=200,
        label=gettext_lazy("Path of the sign of more pages"),
        help_text=gettext_lazy("In the response, for example has_more. Leave empty if there is none."),
    )
    size_parameter = forms.CharField(required=False, max_length=100, label=gettext_lazy("Parameter for the page size"))
    size_most = forms.IntegerField(
        required=False, min_value=1, max_value=_MOST, label=gettext_lazy("Largest page size")
    )
    limit = forms.IntegerField(
        required=False,
        min_value=1,
        max_value=MAX_ITEMS,
        label=gettext_lazy("Items by default"),
        help_text=gettext_lazy("A step can ask for another number."),
    )

    def clean(self) -> dict[str, Any]:
        """Check what the chosen kind needs; the document checks the rest."""
        found: dict[str, Any] = super().clean() or {}
        kind = found.get("kind") or ""
        if kind in _ASKED and not found.get("parameter"):
            self.add_error("parameter", _("Enter the name of the parameter."))
        if kind == PagesKind.CURSOR and bool(found.get("cursor")) == bool(found.get("last_item")):
            self.add_error("cursor", _("Enter either the path of the cursor or a value of the last item."))
        if kind and bool(found.get("size_parameter")) != bool(found.get("size_most")):
            name = "size_most" if found.get("size_parameter") else "size_parameter"
            self.add_error(name, _("Enter both the parameter and the largest size, or neither."))
        return found

    def pages(self) -> PagesView:
        """The rule that was entered; values that its kind does not have are left out."""
        kind = self.cleaned_data["kind"]
        given = {
            name: value
            for name, kinds in CONDITIONS.items()
            if kind in kinds and (value := self.cleaned_data[name]) not in (None, "")
        }
        return PagesView(kind=kind, **given)


def build_pages_form(data: Any, pages: PagesView) -> PagesForm:
    """The form of a rule, bound to posted `data` unless that is None."""
    return PagesForm(data, prefix=PREFIX, initial={name: getattr(pages, name) for name in PagesForm.base_fields})


def pages_fields(form: PagesForm) -> list[FormFieldView]:
    """The fields, each shown for the kinds that have it."""
    needed = {name: (("kind", kinds),) for name, kinds in CONDITIONS.items()}
    [section] = build_sections(form, [("", form.fields)], conditions=needed)
    return section.fields
