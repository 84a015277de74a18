"""Results of a run: the body of its reply, the output of its last step, and the outputs of all steps."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from automate_core import artifacts
from automate_core.definition.document import DefinitionError
from automate_core.definition.parsing import parse
from automate_core.definition.step_paths import key_of
from automate_core.models import ExecutionRun, StepRun
from automate_core.states import RunStatus, StepStatus


def find_run_output(run: ExecutionRun) -> Any:
    """The body of the reply of a run that succeeded, else the output of its last step; None where it gave none.

    Secrets are masked. Three queries at most. Raises ArtifactError when the file of a large output cannot be read.
    """
    if run.status != RunStatus.SUCCEEDED:
        return None
    if run.output is not None:
        return run.output
    if (reply := run.replies.first()) is not None:
        replied = StepRun.objects.filter(run=run, path=reply.path, attempt=reply.attempt)
        return (_read_output(replied) or {}).get("body")
    try:
        steps = [step for step in parse(run.version.definition).steps if not step.disabled]
    except DefinitionError:
        return None
    if not steps:
        return None
    well = [StepStatus.SUCCEEDED, StepStatus.SKIPPED]
    return _read_output(StepRun.objects.filter(run=run, path=steps[-1].key, status__in=well).order_by("-attempt"))


def read_outputs(run: ExecutionRun) -> dict[str, Any]:
    """The outputs by key: of the last attempt, also of one that failed and was given a default output.

    Without steps in loops. Raises `artifacts.ArtifactError`.
    """
    ended = [StepStatus.SUCCEEDED, StepStatus.SKIPPED, StepStatus.FAILED]
    steps = StepRun.objects.filter(run=run, status__in=ended, output__isnull=False).exclude(path__contains="[")
    rows = steps.order_by("attempt").values_list("path", "output", "output_file")
    latest = {path: (output, file) for path, output, file in rows}
    return {
        key_of(path): artifacts.read_value(file) if file else output
        for path, (output, file) in latest.items()
        if file or output is not None
    }


def _read_output(steps: QuerySet[StepRun]) -> Any:
    for output, file in steps.values_list("output", "output_file")[:1]:
        return artifacts.read_value(file) if file else output
    return None
