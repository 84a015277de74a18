"""The settings of all schemes as fields of one form: those of the chosen scheme are visible and become its config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django import forms
from django.utils.functional import lazy

from automate_connectors.number_fields import IntegerField
from automate_core.webhooks.schemes.generic import NAMING
from automate_core.webhooks.schemes.registry import SCHEMES, SchemeError
from automate_governance.texts import translated
from automate_plugins.fields import FieldKind, FieldSpec

_shown = lazy(translated, str)


def config_fields() -> dict[str, tuple[FieldSpec, tuple[str, ...]]]:
    """The settings of all schemes by the name of their form field: (its spec, the codes of the schemes that have it).

    A field that several schemes share is one.
    """
    found: dict[str, tuple[FieldSpec, tuple[str, ...]]] = {}
    for code, scheme in SCHEMES.items():
        for spec in scheme.config_fields:
            same = next((name for name, (other, _) in found.items() if other is spec), "")
            codes = found[same][1] if same else ()
            found[same or f"{code}_{spec.name}"] = (spec, (*codes, code))
    return found


def naming_fields() -> tuple[str, ...]:
    """The form fields that say what names event types and deliveries of a sender of one's own."""
    return tuple(name for name, (spec, _) in config_fields().items() if any(spec is each for each in NAMING))


def proof_fields() -> tuple[str, ...]:
    """The other form fields: how deliveries are signed."""
    return tuple(name for name in config_fields() if name not in naming_fields())


def visibility_rules() -> dict[str, tuple[tuple[str, tuple[str, ...]], ...]]:
    """The values of `scheme` for which each field is visible: (name, values) pairs."""
    return {name: (("scheme", codes),) for name, (_, codes) in config_fields().items()}


def scheme_fields(code: str) -> Iterator[tuple[str, FieldSpec]]:
    """The fields of a scheme."""
    return ((name, spec) for name, (spec, codes) in config_fields().items() if code in codes)


def initial_values(code: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The values of the fields for a configuration."""
    return {name: config.get(spec.name, spec.default) for name, spec in scheme_fields(code)}


def build_config(code: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration from values of the fields, without defaults."""
    found = {spec.name: _value(spec, given.get(name)) for name, spec in scheme_fields(code)}
    plain = {spec.name: _value(spec, spec.default) for _, spec in scheme_fields(code)}
    return {name: value for name, value in found.items() if value != plain[name]}


def find_error_field(code: str, error: SchemeError) -> str:
    """The field of an error: the setting that its message names, else the scheme."""
    if error.field != "config":
        return error.field
    return next((name for name, spec in scheme_fields(code) if spec.name in str(error)), "scheme")


def _value(spec: FieldSpec, given: Any) -> Any:
    return int(given or 0) if spec.kind is FieldKind.INTEGER else given or ""


def build_form_fields(*, text: Any, number: Any, choice: Any) -> dict[str, forms.Field]:
    """Form fields of all settings by name, with these widgets."""

    def made(spec: FieldSpec) -> forms.Field:
        options: dict[str, Any] = {
            "label": _shown(spec.label),
            "required": False,
            "help_text": _shown(spec.help),
            "initial": spec.default,
        }
        if spec.kind is FieldKind.CHOICE:
            return forms.ChoiceField(choices=spec.choices, widget=choice, **options)
        if spec.kind is FieldKind.INTEGER:
            return IntegerField(min_value=0, max_value=366 * 86_400, widget=number, **options)
        return forms.CharField(max_length=200, strip=spec.name != "prefix", widget=text, **options)

    return {name: made(spec) for name, (spec, _) in config_fields().items()}
