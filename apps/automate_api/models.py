"""API tokens, and the answers that requests with an idempotency key got."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from automate_governance.people.names import sign_in_name

START = "dat_"  #: of the text of every token


class ApiToken(models.Model):
    """A token of a person or a service account. Its text is shown once; the SHA-256 of its secret is stored.

    It may do what its `scopes` name (`workflow:view`), as far as its owner may do it at that moment. `workflows` are
    the ids of the workflows that it is limited to, or None.

    With a `client_id` it stands for a client that the owner has connected by OAuth: that client's access tokens lead to
    it, and its own secret is known to no one.

    A rotation gives it a new secret under the same prefix. The old secret is valid until `old_valid_until`.
    """

    audit_kind = "token"  #: in audit codes

    owner_zone = ""  #: the time zone that its owner chose; `authenticate` sets it

    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(_("prefix"), max_length=8, unique=True, editable=False)
    digest = models.CharField(max_length=64, editable=False)
    old_digest = models.CharField(max_length=64, blank=True, editable=False)
    old_valid_until = models.DateTimeField(null=True, editable=False)
    scopes: models.JSONField[Any, list[str]] = models.JSONField(_("scopes"), default=list)
    workflows: models.JSONField[Any, list[int] | None] = models.JSONField(_("workflows"), null=True)
    created_at = models.DateTimeField(_("created"), db_default=Now())
    expires_at = models.DateTimeField(_("expires"))
    last_used_at = models.DateTimeField(_("last used"), null=True, editable=False)
    rotated_at = models.DateTimeField(_("rotated"), null=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, editable=False)
    client_id = models.CharField(max_length=255, blank=True, default="", db_default="", editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-id"]
        default_permissions = ()
        indexes = [models.Index(fields=["owner", "-id"], name="tokens_of_owner")]

    def __str__(self) -> str:
        return f"{self.name} {self.public_start}"

    @property
    def public_start(self) -> str:
        """The beginning of its text, which may be shown."""
        return f"{START}{self.prefix}"

    @property
    def is_valid(self) -> bool:
        """Whether it is neither revoked nor expired."""
        return self.revoked_at is None and timezone.now() < self.expires_at

    @property
    def has_old_secret(self) -> bool:
        """Whether the secret from before the rotation is still accepted."""
        return bool(self.old_digest and self.old_valid_until and timezone.now() < self.old_valid_until)


class IdempotentAnswer(models.Model):
    """The answer to a POST request with an `Idempotency-Key`, inserted in the transaction of the request's effect.

    `fingerprint` is a keyed SHA-256 of the request. `status` is empty while a request whose effect is outside of the
    database is being answered.
    """

    token = models.ForeignKey(ApiToken, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    content_type = models.CharField(max_length=100, blank=True)
    location = models.CharField(max_length=500, blank=True)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        verbose_name = _("idempotent answer")
        verbose_name_plural = _("idempotent answers")
        default_permissions = ()
        constraints = [models.UniqueConstraint(fields=["token", "key"], name="one_answer_per_idempotency_key")]
        indexes = [models.Index(fields=["created_at"], name="answers_by_time")]

    def __str__(self) -> str:
        return f"{self.key} {self.status}"


class ServiceAccount(models.Model):
    """What makes a user a service account: a user for programs, without a password."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, primary_key=True, related_name="+", editable=False
    )
    purpose = models.CharField(_("purpose"), max_length=200, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", editable=False
    )
    created_at = models.DateTimeField(_("created"), db_default=Now())

    class Meta:
        verbose_name = _("service account")
        verbose_name_plural = _("service accounts")
        default_permissions = ()

    def __str__(self) -> str:
        return sign_in_name(self.user)
