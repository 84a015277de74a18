"""The ledger of model calls and their cost, and the budgets that limit them.

Runs and workflows are plain ids and slugs: this app is below theirs, and the ledger outlives both.
"""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _


class LLMUsage(models.Model):
    """One model call. Recorded before the call at its maximum usage, and settled after it.

    `cost` is in US dollars, and null where no price is known. `is_estimated` means that tokens are our own count, and
    `is_capped` that the server reported more than the call can have taken. `day` is a day of the site's time zone.
    `path` and `attempt` are the step's.
    """

    class Status(models.TextChoices):
        """State of a call, and the tokens that it counts for."""

        IN_FLIGHT = "in_flight", _("In progress")  #: asked, or cut off by a crash: counts with the most it may take
        ANSWERED = "answered", _("Answered")  #: counts with what it took
        REFUSED = "refused", _("Rejected")  #: turned down: counts nothing
        IN_DOUBT = (
            "in_doubt",
            _("Outcome unknown"),
        )  #: broke off: counts with the most it may take
        VOIDED = "voided", _("Voided")  #: by an administrator: counts nothing

    run = models.UUIDField(null=True, blank=True)
    workflow = models.CharField(max_length=100, blank=True)
    path = models.CharField(max_length=2000, blank=True)
    attempt = models.PositiveIntegerField(default=0)
    call = models.PositiveIntegerField(default=1)
    at = models.DateTimeField()
    day = models.DateField()
    provider = models.CharField(max_length=300)
    model = models.CharField(max_length=200)
    status = models.CharField(max_length=9, choices=Status, default=Status.IN_FLIGHT)
    tokens_in = models.PositiveBigIntegerField()
    tokens_out = models.PositiveBigIntegerField()
    is_estimated = models.BooleanField(default=True)
    is_capped = models.BooleanField(default=False, db_default=False)
    cost = models.DecimalField(max_digits=18, decimal_places=8, null=True, blank=True)

    class Meta:
        verbose_name = _("model usage")
        verbose_name_plural = _("model usage")
        default_permissions = ()
        permissions = [("view_llmusage", "Can view model usage")]
        constraints = [
            models.UniqueConstraint(fields=["run", "path", "attempt", "call"], name="llm_usage_once_a_call"),
        ]
        indexes = [
            # Budgets and the page add up days: from the index alone.
            models.Index(
                fields=["day", "workflow"],
                include=["provider", "model", "tokens_in", "tokens_out", "cost"],
                name="llm_usage_by_day",
            ),
            models.Index(fields=["day"], condition=Q(is_capped=True), name="llm_usage_capped"),
        ]

    def __str__(self) -> str:
        return f"{self.provider}/{self.model} on {self.day}"


class LLMBudget(models.Model):
    """The limit of a workflow, or of the whole site, for a day or a month: in US dollars, in tokens, or both.

    `refused` counts the calls that it refused since `refused_from`, the first day of their period; `refusal` is the
    reason of the latest, as `automate_plugins.texts.stored` keeps it.
    """

    class Period(models.TextChoices):
        """The period of a budget, in the site's time zone."""

        DAY = "day", _("Per day")
        MONTH = "month", _("Per month")

    workflow = models.SlugField(_("workflow"), max_length=100, blank=True)
    period = models.CharField(_("period"), max_length=5, choices=Period, default=Period.MONTH)
    max_cost = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    max_tokens = models.PositiveBigIntegerField(null=True, blank=True)
    refused = models.PositiveIntegerField(default=0, db_default=0, editable=False)
    refused_from = models.DateField(null=True, editable=False)
    refused_at = models.DateTimeField(null=True, editable=False)
    refusal = models.JSONField(null=True, editable=False)

    class Meta:
        verbose_name = _("model budget")
        verbose_name_plural = _("model budgets")
        default_permissions = ()
        ordering = ["workflow", "period"]
        constraints = [
            models.UniqueConstraint(fields=["workflow", "period"], name="llm_budget_one_a_period"),
            models.CheckConstraint(
                condition=Q(max_cost__isnull=False) | Q(max_tokens__isnull=False),
                name="llm_budget_limits_something",
                violation_error_message=_("Set a cost limit, a token limit or both."),
            ),
            models.CheckConstraint(
                condition=Q(max_cost__isnull=True) | Q(max_cost__gte=0), name="llm_budget_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.workflow or gettext('Whole site')}, {self.get_period_display()}"
