"""The secrets that the runs of a version must not show: those of the connections that its steps use.

Each use of a connection adds its secrets. A resumed run, perhaps in a process that never used them, has them refreshed
before it goes on, as far as its run-as user may use the connections.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable

from automate_connectors.models import Connection
from automate_core.definition.document import ActionStep, Definition, DefinitionError
from automate_core.definition.parsing import parse
from automate_core.definition.slots import walk
from automate_core.engine import assignees
from automate_core.models import ExecutionRun
from automate_governance.permissions import permitted
from automate_governance.redaction.redactor import Redactor, redactor_context
from automate_governance.secrets.masking import learn_for_masking

FRESH_SECONDS = 60.0


class VersionSecrets:
    """The secrets of one version in one process: `redactor` masks them, `connections` are the slugs that steps name."""

    def __init__(self, connections: Iterable[str] = ()) -> None:
        self.connections = frozenset(connections)
        self.redactor = Redactor()
        self._refreshed_at = float("-inf")

    @property
    def is_stale(self) -> bool:
        """Whether a resumed run has to refresh them first."""
        return bool(self.connections) and time.monotonic() - self._refreshed_at > FRESH_SECONDS

    def refresh(self, version_id: int) -> None:
        """Read the connections' present secrets; those that cannot be read are left out. Waits for secret backends."""
        named = Connection.objects.filter(slug__in=self.connections).select_related("token__access", "token__refresh")
        usable = permitted(assignees.load_run_as(version_id), "use", named)
        with redactor_context(self.redactor):
            learn_for_masking(each for row in usable for found in row.references().values() for each in found)
        self._refreshed_at = time.monotonic()


def build_version_secrets(definition: Definition) -> VersionSecrets:
    """The secrets of a version, before any is known."""
    actions = (step for _, step in walk(definition.steps) if isinstance(step, ActionStep))
    return VersionSecrets(step.connection for step in actions if step.connection and not step.disabled)


def load_run_redactor(run_id: uuid.UUID) -> Redactor:
    """The redactor of a run, for a process that does not walk it. Waits for secret backends."""
    run = ExecutionRun.objects.select_related("version").filter(pk=run_id).first()
    try:
        secrets = VersionSecrets() if run is None else build_version_secrets(parse(run.version.definition))
    except DefinitionError:
        return Redactor()
    if run is not None and secrets.connections:
        secrets.refresh(run.version_id)
    return secrets.redactor
