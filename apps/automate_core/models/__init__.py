"""The tables of the data path, by what they are about."""

from automate_core.models.events import (
    Event,
    OutboxJob,
    WebhookEndpoint,
    WebhookEndpointGroupPermission,
    WebhookEndpointUserPermission,
)
from automate_core.models.runs import ExecutionRun, RunLog, StepRun, Wait
from automate_core.models.workflows import (
    ActiveTrigger,
    Step,
    Trigger,
    Workflow,
    WorkflowGroupPermission,
    WorkflowUserPermission,
    WorkflowVersion,
)

__all__ = [
    "ActiveTrigger",
    "Event",
    "ExecutionRun",
    "OutboxJob",
    "RunLog",
    "Step",
    "StepRun",
    "Trigger",
    "Wait",
    "WebhookEndpoint",
    "WebhookEndpointGroupPermission",
    "WebhookEndpointUserPermission",
    "Workflow",
    "WorkflowGroupPermission",
    "WorkflowUserPermission",
    "WorkflowVersion",
]
