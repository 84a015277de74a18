"""The action of a connector that describes none: a typed name, and inputs as one JSON object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext as _

from automate_authoring.drafts.values import StepNode
from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.registry import connectors
from automate_governance.texts import translated
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.registry import PluginNotFoundError

FIRST_NAME = "execute"  #: of the action, until somebody types another


def is_generic(node: StepNode) -> bool:
    """Whether the step's connector describes no actions."""
    try:
        return node.kind == "action" and not connectors.get(_connector_code(node)).actions
    except PluginNotFoundError:
        return False


def generic_field_specs(node: StepNode) -> Iterator[tuple[tuple[FieldSpec, ...], dict[str, Any], str]]:
    """Fields of such a step with their values, like `steps.step_field_specs`."""
    action = FieldSpec(
        name="action",
        label=_("Action"),
        required=True,
        help=_("The name of an action, as the connector documents it."),
    )
    inputs = FieldSpec(
        name="inputs",
        label=_("Inputs"),
        kind=FieldKind.MAPPING,
        language="json",
        shown=True,
        help=_("A JSON object, passed to the connector as parameters."),
    )
    yield (action, inputs), {"action": node.action.partition(".")[2], "inputs": node.inputs or None}, ""


def complete_stored_action(node: StepNode, found: dict[str, Any], unset: list[str], errors: dict[str, str]) -> None:
    """Prefix a typed name with the connector's code; a deleted name stays, with the reason."""
    if "action" in found:
        found["action"] = f"{_connector_code(node)}.{found['action'].strip()}"
    if "action" in unset:
        unset.remove("action")
        errors["action"] = _("Not saved: enter the name of an action.")


def generic_entry(adapter: ConnectorAdapter) -> tuple[str, str, str]:
    """(name in the palette, description, step name) of the connector's generic action."""
    name = _("%(connector)s: Any action") % {"connector": translated(adapter.name)}
    description = translated(adapter.description) or _("Enter an action and its inputs as JSON")
    return name, description, _("Call %(connector)s") % {"connector": translated(adapter.name)}


def _connector_code(node: StepNode) -> str:
    return node.action.partition(".")[0]
