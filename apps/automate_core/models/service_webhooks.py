"""Webhooks that published workflows have at services: the URL, its secret, and the registration at the service."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from automate_core.models.fields import DocumentField
from automate_core.models.paced_calls import PacedCalls
from automate_core.models.workflows import Workflow
from automate_governance.models import StoredSecret
from automate_plugins.texts import restored


class ServiceWebhook(PacedCalls):
    """One webhook at a service. Publishing keeps it while the `digest` of what is asked for stays the same.

    Its deliveries come to `/hooks/<slug>/`, signed with `secret`, which is NULL until a service has made it. The
    service knows it as `registration_id`, for the `url` that the site had, with what its connector keeps in `data`,
    until `expires_at`; it is renewed from `renew_at` on. A row that is REMOVING takes no delivery, and is deleted once
    the service has forgotten it; its workflow may be deleted before.

    A worker that calls the service has the row until `lease_until`, and `next_at` is that time meanwhile; `token` is
    its number, which grows with every lease, so that a result that comes too late is not written. `next_at` NULL:
    there is nothing to do. `announced_at`: a delivery said so long ago that there are changes, which were not read yet.
    `failures` counts since the last success; `error` is what the last failure said.
    """

    class State(models.TextChoices):
        """State of the registration."""

        REGISTERING = "registering", _("Registering")  #: not at the service yet
        REGISTERED = "registered", _("Registered")  #: the service sends
        REMOVING = "removing", _("Removing")  #: to be removed there, and then deleted

    governed_by = "workflow"

    workflow = models.ForeignKey(Workflow, on_delete=models.SET_NULL, null=True, related_name="service_webhooks")
    key = models.CharField(max_length=64)
    webhook = models.CharField(max_length=200)
    connection = models.CharField(max_length=100, blank=True)
    inputs = DocumentField(default=dict)
    events = models.JSONField(default=list)
    digest = models.CharField(max_length=64)
    slug = models.SlugField(max_length=100, unique=True)
    secret = models.ForeignKey(StoredSecret, on_delete=models.PROTECT, null=True, related_name="+")
    run_as = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    state = models.CharField(max_length=11, choices=State, default=State.REGISTERING)
    registration_id = models.CharField(max_length=500, blank=True)
    url = models.CharField(max_length=500, blank=True, default="", db_default="")
    data = models.JSONField(default=dict)
    registered_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    renew_at = models.DateTimeField(null=True)
    next_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    token = models.PositiveBigIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    error_code = models.CharField(max_length=100, blank=True)
    error = models.CharField(max_length=500, blank=True)
    error_text = DocumentField(null=True)
    due_since = models.DateTimeField()
    announced_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("service webhook")
        verbose_name_plural = _("service webhooks")
        default_permissions = ()
        constraints = [
            models.UniqueConstraint(
                fields=["workflow", "key"], condition=~Q(state="removing"), name="one_service_webhook_per_trigger"
            )
        ]
        indexes = [
            models.Index(F("next_at"), name="service_webhooks_by_due"),
            models.Index(F("connection"), name="service_webhooks_of_conn"),
        ]

    def __str__(self) -> str:
        return f"{self.workflow_id}:{self.key}"

    @property
    def reason(self) -> str:
        """Return `error` as a marked text, which is translated when it is shown."""
        return restored(self.error_text, self.error)
