"""Why a stop step ended a run, in words that hold no payload."""

from __future__ import annotations

from automate_core.definition.document import StopStep
from automate_core.definition.slots import StepPosition
from automate_core.definition.step_names import shown_name, title_of_key


def stop_reason(step: StopStep, position: StepPosition) -> str:
    """The message of the step; when it has none or holds data, the name of the route that it stands in, if any."""
    if step.message and "{{" not in step.message:
        return step.message
    route = position.slot
    return shown_name(route.name or title_of_key(route.key)) if route else ""
