"""Values of a run as trees, by the address that serves their rows."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from automate_core import artifacts
from automate_core.definition.step_paths import START, key_of
from automate_core.models import ExecutionRun, StepRun
from automate_core.states import StepStatus
from automate_governance.admin_site import reverse
from automate_ui.json.tree import JsonTree


def run_value_tree(run: ExecutionRun, path: str, attempt: int, part: str, value: Any) -> JsonTree:
    """A part of a step, or of the event at the trigger's path, as a tree."""
    query = urlencode({"part": part, **({} if path == START else {"attempt": attempt})})
    return JsonTree(
        part=part,
        root=_expression_root(path, part),
        url=f"{reverse('studio:run_value', args=[run.pk, path])}?{query}",
        value=value,
        download=reverse("studio:run_download", args=[run.pk, path]),
        attempt=attempt,
    )


def step_value_trees(run: ExecutionRun, step: StepRun) -> dict[str, JsonTree]:
    """Input, output and error details of an attempt, those that there are, by part; an output may be null."""
    has_output = step.status in {StepStatus.SUCCEEDED, StepStatus.SKIPPED}
    found = {part: whole_value(step, part) for part in ("input", "output")}
    details = (step.error or {}).get("details")
    return {
        part: run_value_tree(run, step.path, step.attempt, part, value)
        for part, value in (found | {"details": details or None}).items()
        if value is not None or (part == "output" and has_output)
    }


def whole_value(attempt: StepRun, part: str) -> Any:
    """Input or output of an attempt; the preview when its file cannot be read."""
    file = getattr(attempt, f"{part}_file")
    try:
        return artifacts.read_value(file) if file else getattr(attempt, part)
    except artifacts.ArtifactError:
        return getattr(attempt, part)


def error_details_tree(run: ExecutionRun) -> JsonTree | None:
    """Details of the error that the run ended with."""
    details = (run.error or {}).get("details")
    return run_value_tree(run, START, 0, "details", details) if details else None


def effect_tree(run: ExecutionRun, step: StepRun, index: int, details: Any) -> JsonTree:
    """The request that a call would have sent: one of the effects that a dry run held back."""
    return run_value_tree(run, step.path, step.attempt, f"effect-{index}", details)


def _expression_root(path: str, part: str) -> str:
    """Name in expressions; empty for inputs, which are not in scope."""
    names = {"output": f"steps.{key_of(path)}.output", "details": "error.details", "payload": "event.payload"}
    return names.get(part, "")
