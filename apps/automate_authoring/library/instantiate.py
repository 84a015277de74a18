"""Create a draft from a template."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
from django.db import transaction
from django.utils.translation import gettext as _

from automate_authoring import workflows
from automate_authoring.library.files import Template
from automate_authoring.library.needs import Need, find_needs, load_available
from automate_core.definition.document import Definition, FormTrigger, Trigger
from automate_core.definition.parsing import parse, to_document
from automate_core.models import HostedForm, Workflow
from automate_governance import audit
from automate_governance.people.locale import person_zone
from automate_governance.permissions import Person, scope_refusal
from automate_governance.texts import translated
from automate_plugins import text
from automate_plugins.errors import AutomateError

_SCOPES = {"connection": "connection:use", "endpoint": "webhookendpoint:view_payload"}


class SettingError(AutomateError, ValueError):
    """Settings that cannot be taken: `errors` has a sentence for each."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in errors.items()))
        self.errors = errors


class MissingActionsError(AutomateError, ValueError, status=409, code="missing_actions"):
    """No installed connector has some actions of the template; the message names them."""


@dataclass(frozen=True)
class Created:
    """A draft from a template, and the titles of what to set up before it is published."""

    workflow: Workflow
    unmet: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Choices:
    """Objects in place of a template's names: connections and webhook endpoints by slug, and values of its settings.

    What is left out is chosen as `Need.chosen` does; an empty slug chooses nothing.
    """

    connections: Mapping[str, str] = field(default_factory=dict)
    endpoints: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)

    def of_need(self, need: Need) -> str:
        """The choice for a need; what is none of its options is no choice."""
        given = {"connection": self.connections, "endpoint": self.endpoints, "group": self.settings}.get(need.kind, {})
        if need.name not in given:
            return need.chosen
        return given[need.name] if given[need.name] in {slug for slug, _ in need.choices} else ""

    def unknown(self, needs: Sequence[Need], template: Template) -> dict[str, str]:
        """A sentence for each choice that the template does not offer to this person, by its path."""
        errors = {}
        for kind, given in (("connection", self.connections), ("endpoint", self.endpoints)):
            options = {need.name: {"", *(slug for slug, _ in need.choices)} for need in needs if need.kind == kind}
            for name, slug in given.items():
                if name not in options:
                    errors[f"{kind}s.{name}"] = _("The template does not use this.")
                elif slug not in options[name]:
                    refused = _("You cannot use %(name)s here.") % {"name": slug}
                    errors[f"{kind}s.{name}"] = translated(scope_refusal(_SCOPES[kind], slug)) or refused
        for name in self.settings.keys() - template.settings.keys():
            errors[f"settings.{name}"] = _("The template does not use this.")
        return errors


def use_template(template: Template, choices: Choices, *, by: Person) -> Created:
    """A new draft of `by` out of `template`, with what `by` chose. Raises as `create_from_template` does."""
    needs = find_needs(template, load_available(by))
    if missing := [need.name for need in needs if need.kind == "action"]:
        raise MissingActionsError(text("No installed connector has the actions %(names)s.", names=", ".join(missing)))
    chosen = {(need.kind, need.name): choices.of_need(need) for need in needs}
    workflow = create_from_template(
        template,
        owner=by,
        connections={name: slug for (kind, name), slug in chosen.items() if kind == "connection" and slug},
        endpoints={name: slug for (kind, name), slug in chosen.items() if kind == "endpoint" and slug},
        settings=choices.settings,
    )
    unmet = [need.title for need in needs if _is_unmet(need, chosen[need.kind, need.name])]
    return Created(workflow, tuple(dict.fromkeys(unmet)))


def _is_unmet(need: Need, chosen: str) -> bool:
    return not chosen if need.kind in {"connection", "endpoint"} else bool(need.why) and chosen in {"", need.of}


@transaction.atomic
def create_from_template(
    template: Template,
    *,
    owner: Person,
    connections: Mapping[str, str],
    endpoints: Mapping[str, str],
    settings: Mapping[str, str],
) -> Workflow:
    """A new draft of `owner` out of `template`.

    `connections` and `endpoints` say which of the site's stand for those that the template names; one that is left out
    keeps the template's name. Without a time zone of its own the draft gets that of `owner`. Raises SettingError,
    NotPermittedError.
    """
    values = _values(template, settings)
    document = _renamed(to_document(template.definition), connections, endpoints)
    definition: Definition = msgspec.structs.replace(parse(document), vars=values)
    if "timezone" not in document:
        definition = msgspec.structs.replace(definition, timezone=person_zone(owner))
    definition = msgspec.structs.replace(definition, triggers=[*map(_with_free_address, definition.triggers)])
    workflow = workflows.start_draft(definition, owner=owner)
    audit.record(owner, "workflow.template_used", workflow, changes={"template": template.slug})
    return workflow


def _with_free_address(trigger: Trigger) -> Trigger:
    """A form at an address that no form of the site has; any other trigger as it is."""
    if not isinstance(trigger, FormTrigger):
        return trigger
    taken = set(HostedForm.objects.filter(slug__startswith=trigger.slug).values_list("slug", flat=True))
    numbered = (f"{trigger.slug}-{number}" for number in itertools.count(2))
    free = next(slug for slug in itertools.chain([trigger.slug], numbered) if slug not in taken)
    return msgspec.structs.replace(trigger, slug=free)


def _values(template: Template, given: Mapping[str, str]) -> dict[str, Any]:
    """The variables: what was given, in the setting's kind, else as the template has them."""
    values, errors = dict(template.definition.vars), dict[str, str]()
    for name, setting in template.settings.items():
        entered = given.get(name)
        if entered is None:
            continue
        if not entered.strip() or len(entered) > 1_000:
            errors[name] = _("Enter a value of at most 1,000 characters.")
        elif setting.kind == "number":
            try:
                values[name] = _number(entered)
            except ValueError:
                errors[name] = _("Enter a number, for example 1000 or 12.5.")
        else:
            values[name] = entered.strip()
    if errors:
        raise SettingError(errors)
    return values


def _number(entered: str) -> int | float:
    """A number that JSON can hold. Raises ValueError."""
    if len(entered) > 30:
        raise ValueError(entered)
    try:
        return int(entered)
    except ValueError:
        number = float(entered)
    if number - number != 0:  # infinite, or none
        raise ValueError(entered)
    return number


def _renamed(node: Any, connections: Mapping[str, str], endpoints: Mapping[str, str]) -> Any:
    """A document of a workflow with other connections and endpoints; what steps are given is left as it is."""
    if isinstance(node, list):
        return [_renamed(item, connections, endpoints) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {"inputs", "vars", "payload"} if node.get("kind") in {"action", "workflow", "poll", "service"} else {"vars"}
    found = {name: value if name in kept else _renamed(value, connections, endpoints) for name, value in node.items()}
    if node.get("kind") in {"action", "poll", "service"} and node.get("connection") in connections:
        found["connection"] = connections[node["connection"]]
    if node.get("kind") == "webhook" and node.get("endpoint") in endpoints:
        found["endpoint"] = endpoints[node["endpoint"]]
    return found
