"""Django forms for the studio's templates: sections of fields, and fields that depend on choices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django import forms
from django.forms.boundfield import BoundField
from django.utils.safestring import SafeString

from automate_governance.texts import translated
from automate_ui.fields import FormFieldView, build_form_field, shown_attributes

#: By field, what has to be chosen elsewhere for it to be there: (other field, values) pairs, all of which hold.
type Conditions = Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]]


@dataclass(frozen=True, kw_only=True)
class Section:
    """Fields under a heading, or without one. A `folded` section opens when it has an error."""

    title: str
    fields: list[FormFieldView]
    folded: bool = False

    @property
    def is_open(self) -> bool:
        """Whether it is shown open."""
        return not self.folded or any(each.message for each in self.fields)

    @property
    def attributes(self) -> SafeString:
        """Attributes of the element around it: it is there while one of its fields is.

        Only fields with one and the same condition are known to come and go together.
        """
        [condition, *others] = dict.fromkeys(each.condition for each in self.fields) or [""]
        return shown_attributes("" if others else condition, all(each.absent for each in self.fields) and not others)


def build_sections(
    form: forms.BaseForm,
    groups: Iterable[tuple[str, Iterable[str]]],
    *,
    conditions: Conditions | None = None,
    facts: Mapping[str, tuple[str, Any]] | None = None,
    folded: Iterable[str] = (),
    editable: bool = True,
) -> list[Section]:
    """Sections of a form; a name without a field is a fact: (label, text), as are all read-only ones."""
    found = []
    for title, names in groups:
        fields = [
            _field(form[name], conditions or {}) if editable and name in form.fields else _fact(name, facts or {})
            for name in names
        ]
        found.append(Section(title=title, fields=fields, folded=title in folded))
    return found


def _field(bound: BoundField, conditions: Conditions) -> FormFieldView:
    terms = conditions.get(bound.name, ())
    found = build_form_field(
        bound,
        condition=" ".join(f"{bound.form.add_prefix(name)}={'|'.join(values)}" for name, values in terms),
        absent=any(str(bound.form[name].value() or "") not in values for name, values in terms),
    )
    return replace(found, label=translated(found.label), help=translated(found.help))


def _fact(name: str, facts: Mapping[str, tuple[str, Any]]) -> FormFieldView:
    label, text = facts.get(name, (name, ""))
    return FormFieldView(name=name, label=label, kind="fact", fact=text)
