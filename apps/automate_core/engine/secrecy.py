"""What a version's runs must not say: the secrets that its connections have handed out to their steps.

Steps teach it as they use their connections. A run that is taken up again, perhaps by a process that never used them,
has it told again before it goes on, without asking more of any connection than its run-as user may use.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable

from automate_connectors.models import Connection
from automate_core.definition.document import ActionStep, Definition, DefinitionError, parse, walk
from automate_core.engine import assignees
from automate_core.models import ExecutionRun
from automate_governance.permissions import permitted
from automate_governance.redaction.redactor import Redactor, knowing
from automate_governance.secrets import recall

FRESH_SECONDS = 60.0


class Secrecy:
    """Of one version, in one process. `redactor` knows what it is to mask; `connections` are those that steps name."""

    def __init__(self, connections: Iterable[str] = ()) -> None:
        self.connections = frozenset(connections)
        self.redactor = Redactor()
        self._told = float("-inf")

    @property
    def is_due(self) -> bool:
        """Whether a run that is taken up should first have it told again."""
        return bool(self.connections) and time.monotonic() - self._told > FRESH_SECONDS

    def tell(self, version_id: int) -> None:
        """Make it know what those connections hold now. For a thread that may wait; of what cannot be read, nothing."""
        try:
            named = Connection.objects.filter(slug__in=self.connections).select_related(
                "token__access", "token__refresh"
            )
            usable = permitted(assignees.run_as(version_id), "use", named)
            with knowing(self.redactor):
                recall.tell(each for row in usable for found in row.references().values() for each in found)
        finally:
            self._told = time.monotonic()


def of(definition: Definition) -> Secrecy:
    """That of a version, before anything is known."""
    actions = (step for _, step in walk(definition.steps) if isinstance(step, ActionStep))
    return Secrecy(step.connection for step in actions if step.connection and not step.disabled)


def told(run_id: uuid.UUID) -> Redactor:
    """What masks the secrets of a run's connections, for a process that does not walk it. Waits for who keeps them."""
    run = ExecutionRun.objects.select_related("version").filter(pk=run_id).first()
    try:
        made = Secrecy() if run is None else of(parse(run.version.definition))
    except DefinitionError:
        return Redactor()
    if run is not None and made.connections:
        made.tell(run.version_id)
    return made.redactor
