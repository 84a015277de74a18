"""Inbound mail: the addresses at which published workflows receive messages."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from automate_core.models.workflows import Workflow


class InboundAddress(models.Model):
    """The address of a mail trigger; its local part cannot be guessed.

    It stays while the trigger keeps its key and its `number`. `accepted` counts events, `refused` the messages that
    started nothing, by reason, since the address was made.
    """

    governed_by = "workflow"

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="mail_addresses")
    key = models.CharField(max_length=64)
    local_part = models.CharField(max_length=64, unique=True)
    number = models.PositiveIntegerField(default=1)
    accepted = models.PositiveBigIntegerField(default=0)
    refused = models.JSONField(default=dict)
    refused_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("inbound address")
        verbose_name_plural = _("inbound addresses")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workflow", "key"], name="one_address_per_trigger")]

    def __str__(self) -> str:
        return self.address

    @property
    def address(self) -> str:
        """The whole address."""
        return f"{self.local_part}@{getattr(settings, 'AUTOMATE_MAIL_DOMAIN', '')}"
