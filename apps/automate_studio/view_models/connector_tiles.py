"""Icons of a workflow's connectors."""

from __future__ import annotations

from automate_connectors.registry import find_action
from automate_core.models import Workflow


def connector_tiles(workflow: Workflow) -> list[tuple[str, int]]:
    """(icon, hue) of its connectors, at most three."""
    connector_tiles: dict[tuple[str, int], None] = {}
    for step in workflow.steps.all():
        if step.action:
            try:
                adapter, _ = find_action(step.action)
            except LookupError:
                continue
            connector_tiles[(adapter.icon, adapter.hue)] = None
    return list(connector_tiles)[:3]
