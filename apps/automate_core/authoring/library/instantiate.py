"""Create a draft from a template."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from django.db import transaction
from django.utils.translation import gettext as _

from automate_core.authoring import workflows
from automate_core.authoring.library.files import Template
from automate_core.definition.document import Definition
from automate_core.definition.parsing import parse, to_document
from automate_core.models import Workflow
from automate_governance import audit
from automate_governance.permissions import Person


class SettingError(ValueError):
    """Settings that cannot be taken: `errors` has a sentence for each."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {reason}" for name, reason in errors.items()))
        self.errors = errors


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
    keeps the template's name. Raises SettingError, NotPermittedError.
    """
    values = _values(template, settings)
    document = _renamed(to_document(template.definition), connections, endpoints)
    definition: Definition = msgspec.structs.replace(parse(document), vars=values)
    workflow = workflows.start_draft(definition, owner=owner)
    audit.record(owner, "workflow.template_used", workflow, changes={"template": template.slug})
    return workflow


def _values(template: Template, given: Mapping[str, str]) -> dict[str, Any]:
    """The variables: what was given, in the setting's kind, else as the template has them."""
    values, errors = dict(template.definition.vars), dict[str, str]()
    for name, setting in template.settings.items():
        text = given.get(name)
        if text is None:
            continue
        if not text.strip() or len(text) > 1_000:
            errors[name] = _("Enter a value of at most 1,000 characters.")
        elif setting.kind == "number":
            try:
                values[name] = _number(text)
            except ValueError:
                errors[name] = _("Enter a number, for example 1000 or 12.5.")
        else:
            values[name] = text.strip()
    if errors:
        raise SettingError(errors)
    return values


def _number(text: str) -> int | float:
    """A number that JSON can hold. Raises ValueError."""
    if len(text) > 30:
        raise ValueError(text)
    try:
        return int(text)
    except ValueError:
        number = float(text)
    if number - number != 0:  # infinite, or none
        raise ValueError(text)
    return number


def _renamed(node: Any, connections: Mapping[str, str], endpoints: Mapping[str, str]) -> Any:
    """A document of a workflow with other connections and endpoints; what steps are given is left as it is."""
    if isinstance(node, list):
        return [_renamed(item, connections, endpoints) for item in node]
    if not isinstance(node, dict):
        return node
    kept = {"inputs", "vars", "payload"} if node.get("kind") in {"action", "workflow"} else {"vars"}
    found = {name: value if name in kept else _renamed(value, connections, endpoints) for name, value in node.items()}
    if node.get("kind") == "action" and node.get("connection") in connections:
        found["connection"] = connections[node["connection"]]
    if node.get("kind") == "webhook" and node.get("endpoint") in endpoints:
        found["endpoint"] = endpoints[node["endpoint"]]
    return found
