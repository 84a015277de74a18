"""The tables of the data path, by what they are about."""

from automate_core.models.events import (
    CapturedChange,
    Event,
    OutboxJob,
    RefusedDeliveries,
    WebhookEndpoint,
    WebhookEndpointGroupPermission,
    WebhookEndpointUserPermission,
    WorkerState,
)
from automate_core.models.notifications import Notification, NotificationRule, Occurrence
from automate_core.models.retention import Pruning, SitePolicy
from automate_core.models.runs import ExecutionRun, ForeseenEffect, RunLog, StepRun, Wait, WaitAssignee
from automate_core.models.workflows import (
    ActiveTrigger,
    DraftCommand,
    Schedule,
    Step,
    StepSample,
    Trigger,
    Workflow,
    WorkflowGroupPermission,
    WorkflowUserPermission,
    WorkflowVersion,
)

__all__ = [
    "ActiveTrigger",
    "CapturedChange",
    "DraftCommand",
    "Event",
    "ExecutionRun",
    "ForeseenEffect",
    "Notification",
    "NotificationRule",
    "Occurrence",
    "OutboxJob",
    "Pruning",
    "RefusedDeliveries",
    "RunLog",
    "Schedule",
    "SitePolicy",
    "Step",
    "StepRun",
    "StepSample",
    "Trigger",
    "Wait",
    "WaitAssignee",
    "WebhookEndpoint",
    "WebhookEndpointGroupPermission",
    "WebhookEndpointUserPermission",
    "WorkerState",
    "Workflow",
    "WorkflowGroupPermission",
    "WorkflowUserPermission",
    "WorkflowVersion",
]
