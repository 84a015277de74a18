"""Hosted forms: where the forms of published workflows are found."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from automate_core.models.workflows import Workflow


class HostedForm(models.Model):
    """The address of a form of a published workflow, and the number of answers it has accepted.

    Publishing keeps the count while the trigger keeps its key. The fields are those of the published version.
    """

    governed_by = "workflow"

    workflow = models.ForeignKey(Workflow, on_delete=models.CASCADE, related_name="forms")
    key = models.CharField(max_length=64)
    slug = models.SlugField(max_length=100, unique=True)
    answers = models.PositiveIntegerField(default=0)

    class Meta:
        verbose_name = _("hosted form")
        verbose_name_plural = _("hosted forms")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["workflow", "key"], name="one_form_per_trigger")]

    def __str__(self) -> str:
        return self.slug
