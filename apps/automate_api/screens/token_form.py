"""The form of a new token, and the choice of the workflows that it is limited to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from automate_api.screens.rotation_form import EXPIRIES
from automate_api.screens.scope_words import ScopeGroup, grouped, in_order, scope_words
from automate_api.tokens.held_scopes import held_scopes
from automate_api.tokens.issuing import DEFAULT_DAYS, MOST_DAYS
from automate_connectors.number_fields import IntegerField
from automate_core.models import Workflow
from automate_governance.permissions import Person, permitted

OFFERED = 30  #: workflows that a search shows
MOST_WORKFLOWS = 500  #: that a token can be limited to
CUSTOM = "custom"


@dataclass(frozen=True, kw_only=True)
class WorkflowChoice:
    """Chosen workflows, and those that a search offers; `has_more` says whether the search found more."""

    chosen: list[Workflow]
    offered: list[Workflow]
    search: str
    has_more: bool


class TokenForm(forms.Form):
    """A token of `owner`, with the scopes that the owner has. `by` chooses among workflows that both may view."""

    name = forms.CharField(
        label=_("Name"), max_length=100, help_text=_("Name the program that uses it, such as nightly import.")
    )
    scopes = forms.MultipleChoiceField(
        label=_("Permissions"), error_messages={"required": _("Choose at least one permission.")}
    )
    limit = forms.ChoiceField(
        label=_("Workflows"), choices=[("", _("All workflows")), ("some", _("Only these workflows"))], required=False
    )
    workflows = forms.TypedMultipleChoiceField(required=False, coerce=int)
    expiry = forms.ChoiceField(
        label=_("Expires after"), choices=[*EXPIRIES, (CUSTOM, _("Custom"))], initial=str(DEFAULT_DAYS)
    )
    days = IntegerField(label=_("Days"), min_value=1, max_value=MOST_DAYS, required=False)

    def __init__(self, *args: Any, owner: Person, by: Person, **options: Any) -> None:
        super().__init__(*args, **options)
        self.held = held_scopes(owner)
        self.selectable = selectable_workflows(owner, by)
        chosen = self.data.getlist("workflows") if self.is_bound else []  # type: ignore[attr-defined] # a QueryDict
        self.chosen = find_chosen(self.selectable, chosen)
        scopes, workflows = self.fields["scopes"], self.fields["workflows"]
        assert isinstance(scopes, forms.ChoiceField) and isinstance(workflows, forms.ChoiceField)  # noqa: S101 - for types
        scopes.choices = [(scope, scope_words(scope)) for scope in in_order(self.held)]
        workflows.choices = [(workflow.pk, workflow.name) for workflow in self.chosen]

    @property
    def groups(self) -> list[ScopeGroup]:
        """Scopes to choose."""
        return grouped(self.held)

    def clean(self) -> dict[str, Any]:
        """Days for a custom expiry, and workflows for a limit. Without them the page hides their fields."""
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if values.get("expiry", CUSTOM) != CUSTOM:
            self.errors.pop("days", None)
        if values.get("limit") == "":
            self.errors.pop("workflows", None)
        if values.get("expiry") == CUSTOM and not values.get("days") and "days" not in self.errors:
            self.add_error("days", gettext("Enter a number of days."))
        if values.get("limit") and not values.get("workflows") and "workflows" not in self.errors:
            self.add_error("workflows", gettext("Choose at least one workflow."))
        return values

    @property
    def token_values(self) -> dict[str, Any]:
        """Arguments of `issuing.create_token`, of a valid form."""
        values = self.cleaned_data
        return {
            "name": values["name"],
            "scopes": values["scopes"],
            "workflows": self.chosen if values["limit"] else None,
            "days": values["days"] if values["expiry"] == CUSTOM else int(values["expiry"]),
        }


def selectable_workflows(owner: Person, by: Person) -> QuerySet[Workflow]:
    """Workflows that both may view."""
    found = permitted(owner, "view", Workflow.objects.exclude(status=Workflow.Status.ARCHIVED))
    return found if owner.pk == by.pk else permitted(by, "view", found)


def find_chosen(selectable: QuerySet[Workflow], keys: Iterable[str]) -> list[Workflow]:
    """Workflows of posted keys."""
    numbers = {int(key) for key in keys if key.isascii() and key.isdigit() and len(key) < 10}
    return list(selectable.filter(pk__in=numbers).order_by("name", "pk")[:MOST_WORKFLOWS]) if numbers else []


def build_workflow_choice(selectable: QuerySet[Workflow], chosen: list[Workflow], search: str) -> WorkflowChoice:
    """Chosen workflows, and further ones by name."""
    rest = selectable.exclude(pk__in=[workflow.pk for workflow in chosen]).filter(name__icontains=search)
    offered = list(rest.order_by("name", "pk")[: OFFERED + 1])
    return WorkflowChoice(chosen=chosen, offered=offered[:OFFERED], search=search, has_more=len(offered) > OFFERED)
