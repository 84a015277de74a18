"""Webhook endpoints, events, and the outbox jobs that make each event's work durable."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from automate_core import states
from automate_core.ids import uuid7
from automate_governance.governed import Governed, verbs
from automate_governance.secrets.resolver import NOT_A_REFERENCE, is_reference

LONGEST_REPLY_SECONDS = 30  #: that a delivery may wait for a reply

#: Checks of an endpoint's scheme; `webhooks.schemes` registers its own, since models import nothing above them.
endpoint_checks: list[Callable[[WebhookEndpoint], None]] = []


class WebhookEndpoint(Governed):
    """A URL, `/hooks/<slug>/`, and the scheme that verifies its deliveries.

    With `reply_seconds`, a delivery waits so long for the reply of the run that it starts; with 0 it is answered at
    once.

    After a rotation, `old_secret` is valid beside `secret` until `old_secret_until`. The times of last use are written
    from time to time, not at each delivery.
    """

    audit_kind = "webhook"  #: in audit codes, whatever its verbose name

    slug = models.SlugField(_("name"), max_length=100, unique=True)
    scheme = models.CharField(max_length=50)
    config = models.JSONField(default=dict, blank=True)
    secret = models.CharField(max_length=200, blank=True, help_text=_("A reference, such as database:github."))
    old_secret = models.CharField(max_length=200, blank=True, editable=False)
    old_secret_until = models.DateTimeField(null=True, editable=False)
    secret_used_at = models.DateTimeField(null=True, editable=False)
    old_secret_used_at = models.DateTimeField(null=True, editable=False)
    enabled = models.BooleanField(default=True)
    reply_seconds = models.PositiveSmallIntegerField(
        _("wait for reply"), default=0, db_default=0, validators=[MaxValueValidator(LONGEST_REPLY_SECONDS)]
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("webhook endpoint")
        verbose_name_plural = _("webhook endpoints")
        ordering = ["slug"]
        default_permissions = ()
        permissions = verbs("webhookendpoint", "add", "view", "view_payload", "change", "share", "delete")

    def __str__(self) -> str:
        return self.slug

    @property
    def source(self) -> str:
        """Source of its events."""
        return f"webhook:{self.slug}"

    @property
    def has_old_secret(self) -> bool:
        """Whether the old secret is still accepted."""
        return bool(self.old_secret and self.old_secret_until and timezone.now() < self.old_secret_until)

    def references(self) -> dict[str, list[str]]:
        """Secret references, by field, that a person who saves it needs permission for. The old secret was checked
        before."""
        return {"secret": [self.secret]} if self.secret else {}

    def change_secret(self, reference: str, *, overlap: dt.timedelta) -> None:
        """Replace the secret, and accept the present one for `overlap` longer. Does not save."""
        keeps = bool(self.secret) and overlap > dt.timedelta(0)
        self.old_secret, self.old_secret_used_at = (self.secret, self.secret_used_at) if keeps else ("", None)
        self.old_secret_until = timezone.now() + overlap if keeps else None
        self.secret, self.secret_used_at = reference, None

    def clean(self) -> None:
        """Check the scheme, its configuration and the secret references. Raises ValidationError, by field."""
        for check in endpoint_checks:
            check(self)
        for name, references in self.references().items():
            if not all(map(is_reference, references)):
                raise ValidationError({name: NOT_A_REFERENCE})


class WebhookEndpointUserPermission(UserObjectPermissionBase):
    """A verb on one endpoint, granted to a person."""

    content_object = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE)


class WebhookEndpointGroupPermission(GroupObjectPermissionBase):
    """A verb on one endpoint, granted to a group."""

    content_object = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE)


class RefusedDeliveries(models.Model):
    """The number of rejected deliveries per day (UTC) and reason. `endpoint` is NULL when the URL has none."""

    endpoint = models.ForeignKey(WebhookEndpoint, on_delete=models.CASCADE, null=True, related_name="refused")
    reason = models.CharField(max_length=20)
    day = models.DateField()
    count = models.PositiveBigIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        verbose_name = _("rejected deliveries")
        verbose_name_plural = _("rejected deliveries")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "reason", "day"], name="one_count_a_day", nulls_distinct=False),
        ]

    def __str__(self) -> str:
        return f"{self.count} {self.reason}"


class Event(models.Model):
    """An accepted fact, stored once for each (source, delivery key, endpoint).

    `endpoint_id` is the key of the webhook endpoint that received it, 0 without one, and stays when the endpoint is
    deleted: a later endpoint with the same slug has another key and does not find the event. Events that are older than
    the field, of endpoints that were deleted, have a negative one, different for each slug.

    `replay_of` is the event that a person replayed as this one; both have the same trace id. An emptied event has no
    payload and no headers, but still its delivery key. `subject` is guessed from the payload when the event is stored
    (`subjects`), and needs the same permission to read.
    """

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    source = models.CharField(max_length=200)
    endpoint_id = models.BigIntegerField(default=0, db_default=0)
    type = models.CharField(max_length=200, blank=True)
    delivery_key = models.CharField(max_length=200, null=True)  # noqa: DJ001 - NULL: the delivery has no key
    payload = models.JSONField(null=True)  # NULL is JSON null
    headers = models.JSONField(default=dict)
    trace_id = models.CharField(max_length=32)
    received_at = models.DateTimeField(db_default=Now())
    replay_of = models.UUIDField(null=True)
    emptied_at = models.DateTimeField(null=True)
    erasure = models.UUIDField(null=True)  # the one that emptied it; NULL: retention did
    subject = models.CharField(max_length=120, blank=True, default="", db_default="")

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["-id"]
        default_permissions = ()
        constraints = [
            # Not for events without a key, so that the index serves no other look-up
            models.UniqueConstraint(
                fields=["source", "delivery_key", "endpoint_id"],
                condition=Q(delivery_key__isnull=False),
                name="one_event_per_delivery_key",
            ),
        ]
        indexes = [
            models.Index(fields=["trace_id"]),
            # Each event is in exactly one of these two
            models.Index(fields=["source", "id"], condition=Q(endpoint_id=0), name="events_of_plain_source"),
            models.Index(fields=["endpoint_id", "id"], condition=~Q(endpoint_id=0), name="events_of_endpoint"),
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.type}".strip()


class OutboxJob(models.Model):
    """Durable work: matching an event, or advancing a run. Small rows, no payload.

    `lane` is a small hash of the event's source and type, or of the run's workflow: claims alternate between lanes, so
    that a long queue in one lane does not delay the others. `suspect` marks a quarantined job: it crashed its worker
    and runs alone.

    `OutboxStore` holds the SQL. The relations have no database constraint: docs/adr/0004.
    """

    Status = states.JobStatus

    class Kind(models.TextChoices):
        """Kind of work."""

        DISPATCH = "dispatch", _("Dispatch")  #: find the workflows that an event starts
        ADVANCE = "advance", _("Advance")  #: run the steps of a run until it waits or ends

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=8, choices=Kind)
    status = models.CharField(max_length=9, choices=Status, default=Status.READY)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, null=True, db_constraint=False, db_index=False)
    run = models.ForeignKey(
        "automate_core.ExecutionRun", on_delete=models.CASCADE, null=True, db_constraint=False, db_index=False
    )
    priority = models.SmallIntegerField(default=0)
    lane = models.SmallIntegerField(db_default=0)
    available_at = models.DateTimeField(db_default=Now())
    attempts = models.PositiveIntegerField(default=0)
    crashes = models.PositiveIntegerField(default=0)
    suspect = models.BooleanField(default=False)
    worker = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True)
    token = models.PositiveIntegerField(default=0)
    last_error = models.TextField(blank=True)

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["run"],
                condition=Q(kind="advance", status__in=["ready", "leased"]),
                name="one_live_advance_job_per_run",
            ),
            models.CheckConstraint(
                condition=Q(kind="dispatch", event__isnull=False) | Q(kind="advance", run__isnull=False),
                name="job_has_its_subject",
            ),
        ]
        indexes = [
            models.Index(
                F("priority"),
                F("lane"),
                F("available_at"),
                F("id"),
                condition=Q(status="ready", suspect=False),
                name="ready_jobs",
            ),
            models.Index(F("available_at"), condition=Q(status="ready", suspect=True), name="suspect_jobs"),
            models.Index(F("lease_until"), condition=Q(status="leased"), name="leased_jobs"),
            models.Index(F("id"), condition=Q(status="dead"), name="dead_jobs"),
            models.Index(F("event"), name="jobs_of_event"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {uuid.UUID(str(self.id))}"


class CapturedChange(models.Model):
    """A change that a database trigger captured in its own transaction, until the worker stores it as an event."""

    id = models.BigAutoField(primary_key=True)
    model = models.CharField(max_length=200)
    operation = models.CharField(max_length=7)
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    origin = models.CharField(max_length=100, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("captured change")
        verbose_name_plural = _("captured changes")
        default_permissions = ()

    def __str__(self) -> str:
        return f"{self.model} {self.operation}"


class HeldEvent(models.Model):
    """An event that waits for a workflow whose run-as user may not read it at present (`events.held_events`).

    `source` is that of the trigger that accepts it. The relations have no database constraint: docs/adr/0004.
    """

    workflow = models.ForeignKey(
        "automate_core.Workflow", on_delete=models.CASCADE, related_name="held_events", db_constraint=False
    )
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="+", db_constraint=False)
    source = models.CharField(max_length=200)
    held_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("held event")
        verbose_name_plural = _("held events")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workflow", "event"], name="one_held_event_per_workflow")]
        indexes = [models.Index(fields=["workflow", "source", "event"], name="held_events_by_source")]

    def __str__(self) -> str:
        return f"{self.source} {self.event_id}"


class WorkerState(models.Model):
    """A live worker as of its last report: its job slots, and how many of them hold a job."""

    name = models.CharField(max_length=100, primary_key=True)
    started_at = models.DateTimeField(db_default=Now())
    seen_at = models.DateTimeField(db_default=Now())
    slots = models.PositiveIntegerField()
    held = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("worker")
        verbose_name_plural = _("workers")
        default_permissions = ()

    def __str__(self) -> str:
        return self.name
