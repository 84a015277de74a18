"""Tables of the studio: chosen samples, presence in the builder, saved views."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from automate_core.models import Workflow
from automate_core.models.fields import DocumentField


class ChosenSample(models.Model):
    """A person's chosen sample for a draft: an event, a run, or an edited example.

    At most one of the three is set; `edited` is the payload of an event. Without any, or once it is deleted, the
    newest event or run is used.
    """

    governed_by = "workflow"

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    event = models.UUIDField(null=True)
    run = models.UUIDField(null=True)
    edited = DocumentField(null=True)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("selected sample")
        verbose_name_plural = _("selected samples")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workflow", "person"], name="one_sample_per_person")]

    def __str__(self) -> str:
        return f"sample of {self.workflow_id} for {self.person_id}"


class Presence(models.Model):
    """A person with a draft open in the builder, and their step: one row per person and draft.

    `step` is its key, `~trigger` or `~workflow`, and empty while none is chosen. The visible page reports itself
    every ten seconds; `presence.present_people` lists the people who are still there.
    """

    governed_by = "workflow"

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="+")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    step = models.CharField(max_length=64, blank=True)
    seen_at = models.DateTimeField()

    class Meta:
        verbose_name = _("presence")
        verbose_name_plural = _("presences")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workflow", "person"], name="one_presence_per_draft")]

    def __str__(self) -> str:
        return f"{self.person} at {self.workflow}"


class SavedView(models.Model):
    """Filters of the run list under a name. `query` is the list's address; a shared one is seen by all who may see
    the workflows that it names."""

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(max_length=60)
    query = models.CharField(max_length=2000)
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        ordering = ["name", "id"]
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["owner", "name"], name="one_view_per_name")]

    def __str__(self) -> str:
        return self.name


class Overview(models.Model):
    """Model without a table: it lists the overview among the models of an admin."""

    class Meta:
        verbose_name = _("overview")
        verbose_name_plural = _("overview")
        managed = False
        default_permissions = ()

    def __str__(self) -> str:
        return gettext("Overview")
