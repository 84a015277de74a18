"""Declared connectors as rows: their versions, the drafts of the next ones, and the OpenAPI documents behind them."""

from __future__ import annotations

import zlib

from django.conf import settings
from django.db import models
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

CODE_LENGTH = 50


class OpenAPIDocument(models.Model):
    """An OpenAPI document as compressed JSON, once for all drafts and versions; `digest` is the SHA-256 of the JSON."""

    digest = models.CharField(max_length=64, unique=True)
    title = models.CharField(max_length=200, blank=True)
    size = models.PositiveIntegerField()
    content = models.BinaryField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("OpenAPI document")
        verbose_name_plural = _("OpenAPI documents")
        default_permissions = ()

    def __str__(self) -> str:
        return self.title or self.digest[:12]

    @property
    def source(self) -> bytes:
        """The document as JSON."""
        return zlib.decompress(self.content)


class DeclaredConnector(models.Model):
    """A connector of this site. Steps name it by its code, which never changes; `current` is what runs."""

    audit_kind = "connector"

    code = models.CharField(_("code"), max_length=CODE_LENGTH, unique=True)
    enabled = models.BooleanField(_("enabled"), default=True)
    current = models.ForeignKey("DeclaredConnectorVersion", on_delete=models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("connector")
        verbose_name_plural = _("connectors")
        default_permissions = ()
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code


class DeclaredConnectorVersion(models.Model):
    """A version of a connector, which never changes.

    `text` is its `connector.yaml` as it was written, and `definition` the JSON of its value with all operations written
    out: running it needs no OpenAPI document.
    """

    connector = models.ForeignKey(DeclaredConnector, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    text = models.TextField()
    definition = models.TextField()
    document = models.ForeignKey(OpenAPIDocument, on_delete=models.PROTECT, null=True, related_name="versions")
    note = models.CharField(_("note"), max_length=200, blank=True)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("connector version")
        verbose_name_plural = _("connector versions")
        default_permissions = ()
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["connector", "number"], name="one_connector_version_per_number"),
        ]

    def __str__(self) -> str:
        return f"v{self.number}"


class DeclaredConnectorDraft(models.Model):
    """Draft of a person: the text of the next version. `base` is the number of the version it began from."""

    connector = models.ForeignKey(DeclaredConnector, on_delete=models.CASCADE, null=True, related_name="drafts")
    text = models.TextField()
    document = models.ForeignKey(OpenAPIDocument, on_delete=models.PROTECT, null=True, related_name="drafts")
    base = models.PositiveIntegerField(default=0)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name = _("draft of a connector")
        verbose_name_plural = _("drafts of connectors")
        default_permissions = ()
        ordering = ["-updated_at"]

    def __str__(self) -> str:
        named = self.connector or self.document
        return str(named) if named else gettext("draft %(number)s") % {"number": self.pk}
