"""The tables of the data path, by what they are about."""

from automate_core.models.bulk import BulkAction, BulkItem
from automate_core.models.erasure import Erasure, ErasureItem
from automate_core.models.events import (
    CapturedChange,
    Event,
    HeldEvent,
    OutboxJob,
    RefusedDeliveries,
    WebhookEndpoint,
    WebhookEndpointGroupPermission,
    WebhookEndpointUserPermission,
    WorkerState,
)
from automate_core.models.executors import HandedOutStep, PoolConsumer
from automate_core.models.files import StoredFile
from automate_core.models.forms import HostedForm
from automate_core.models.mail import InboundAddress
from automate_core.models.notifications import Notification, NotificationRule, Occurrence
from automate_core.models.polls import PollState
from automate_core.models.retention import Pruning, SitePolicy
from automate_core.models.runs import (
    ExecutionRun,
    ForeseenEffect,
    RunLog,
    RunReply,
    SearchTerm,
    StepRun,
    Wait,
    WaitAssignee,
)
from automate_core.models.service_webhooks import ServiceWebhook
from automate_core.models.statistics import (
    EndedRun,
    FailedRun,
    FailureCount,
    FailureGroup,
    QueueLevel,
    RunCount,
    RunTime,
    Span,
)
from automate_core.models.telemetry import TraceExport
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
    "BulkAction",
    "BulkItem",
    "CapturedChange",
    "DraftCommand",
    "EndedRun",
    "Erasure",
    "ErasureItem",
    "Event",
    "ExecutionRun",
    "FailedRun",
    "FailureCount",
    "FailureGroup",
    "ForeseenEffect",
    "HandedOutStep",
    "HeldEvent",
    "HostedForm",
    "InboundAddress",
    "Notification",
    "NotificationRule",
    "Occurrence",
    "OutboxJob",
    "PollState",
    "PoolConsumer",
    "Pruning",
    "QueueLevel",
    "RefusedDeliveries",
    "RunCount",
    "RunLog",
    "RunReply",
    "RunTime",
    "Schedule",
    "SearchTerm",
    "ServiceWebhook",
    "SitePolicy",
    "Span",
    "Step",
    "StepRun",
    "StepSample",
    "StoredFile",
    "TraceExport",
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
