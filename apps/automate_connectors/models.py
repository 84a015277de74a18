"""Connection: a named, shared configuration of a connector. It holds references to secrets, never secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Value
from django.utils.translation import gettext_lazy as _
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError
from automate_connectors.oauth.setup import OAuthSetup, parse_oauth_setup
from automate_connectors.registry import connectors, find_adapter
from automate_connectors.stored.models import (  # noqa: F401 - where Django looks for them
    DeclaredConnector,
    DeclaredConnectorDraft,
    DeclaredConnectorVersion,
    OpenAPIDocument,
)
from automate_egress.policy import ascii_host
from automate_governance.governed import Governed, verbs
from automate_governance.models import StoredSecret
from automate_governance.secrets.resolver import is_reference
from automate_governance.texts import translated
from automate_plugins.fields import FieldKind, problems
from automate_plugins.registry import PluginNotFoundError
from automate_plugins.texts import restored

_SECRET_NAME = re.compile(r"token|secret|passw|api[_-]?key|credential|private_?key|authorization|cookie", re.IGNORECASE)
_URL_WITH_USER = re.compile(r"://[^/]*@")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9])?|[0-9a-f:.]*:[0-9a-f:.]*", re.IGNORECASE)


class Connection(Governed):
    """Where and as whom a connector works. Steps name it by its slug.

    `allowed_hosts` are the host names its credentials may be sent to; empty means the hosts of URLs in its
    configuration. `oauth` is its sign-in, if it has one (`oauth.setup.OAuthSetup`): the access token then replaces
    the connector's secret. At most `limit_requests` calls start in any `limit_seconds`, and `limit_concurrent` run at
    once; empty values leave that to the connector (`limits`). `runs_on` is the pool that performs its steps.

    Only `health` writes its state. `health_rev` grows with every change of `health`; `last_used_at` is written at most
    every five minutes.
    """

    class Health(models.TextChoices):
        """Whether it works, as far as is known."""

        UNKNOWN = "unknown", _("Not tested")  #: nobody has tried since it was made or changed
        WORKING = "working", _("Healthy")  #: the last test, or a step, was let in
        FAILING = "failing", _("Failing")  #: its credentials were refused, or the last test failed
        RECONNECT = "reconnect", _("Reconnect")  #: only a person can mend it; steps wait until then

    name = models.CharField(_("name"), max_length=100)
    slug = models.SlugField(_("short name"), max_length=100, unique=True)
    connector = models.CharField(max_length=100)
    config = models.JSONField(default=dict, blank=True)
    oauth = models.JSONField(default=dict, blank=True)
    allowed_hosts = models.JSONField(default=list, blank=True)
    limit_requests = models.PositiveIntegerField(
        _("calls"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(100_000)]
    )
    limit_seconds = models.PositiveIntegerField(
        _("in seconds"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(86_400)]
    )
    limit_concurrent = models.PositiveIntegerField(
        _("calls at once"), null=True, blank=True, validators=[MinValueValidator(1), MaxValueValidator(1_000)]
    )
    runs_on = models.CharField(_("runs on"), max_length=64, blank=True, db_default="")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    health = models.CharField(max_length=9, choices=Health, default=Health.UNKNOWN, editable=False)
    health_since = models.DateTimeField(null=True, editable=False)
    health_note = models.CharField(max_length=500, blank=True, editable=False)
    health_text = models.JSONField(null=True, editable=False)
    health_rev = models.PositiveIntegerField(default=0, editable=False)
    last_used_at = models.DateTimeField(null=True, editable=False)
    tested_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        ordering = ["name"]
        default_permissions = ()
        permissions = verbs("connection", "add", "view", "use", "change", "share", "delete")

    def __str__(self) -> str:
        return self.name

    def save(self, *args: Any, **options: Any) -> None:
        """Save the fields that people edit; the recorded state stays."""
        if not self._state.adding and options.get("update_fields") is None:
            options["update_fields"] = [
                field.name
                for field in self._meta.concrete_fields
                if not field.primary_key and field.name not in _FOUND_OUT
            ]
        super().save(*args, **options)

    @transaction.atomic
    def delete(self, *args: Any, **options: Any) -> tuple[int, dict[str, int]]:
        """Delete the connection and its tokens."""
        rows = OAuthToken.objects.select_related("access", "refresh").select_for_update(of=("self",))
        token = rows.filter(connection=self).first()  # locked first, as everywhere
        deleted = super().delete(*args, **options)
        for secret in filter(None, (token.access, token.refresh) if token else ()):
            secret.delete()
        return deleted

    @property
    def adapter(self) -> ConnectorAdapter:
        """Its connector. Raises PluginNotFoundError."""
        return connectors.get(self.connector)

    def installed_adapter(self) -> ConnectorAdapter:
        """Its connector, which a person named. Raises ValidationError."""
        try:
            return self.adapter
        except PluginNotFoundError as error:
            raise ValidationError({"connector": translated(str(error))}) from error

    @property
    def sign_in(self) -> OAuthSetup | None:
        """Its OAuth setup; None when its credentials are stored secrets."""
        setup = parse_oauth_setup(self.oauth)
        adapter = find_adapter(self.connector) if setup else None
        if setup is None or adapter is None:
            return setup
        return replace(setup, usual_scopes=adapter.scopes_for(setup.provider))

    def clean(self) -> None:
        """Validate the configuration against its connector. Raises ValidationError, by field."""
        adapter = self.installed_adapter()
        if not isinstance(self.config, dict):
            raise ValidationError({"config": _("The configuration must be a JSON object.")})
        self._check_sign_in()
        config = {**self.config, self.token_name: f"database:token-of-{self.slug}"} if self.oauth else self.config
        if adapter.config_fields and (found := problems(adapter.config_fields, config)):
            raise ValidationError({"config": [translated(problem) for problem in found]})
        secret_names = {field.name for field in adapter.config_fields if field.kind is FieldKind.SECRET}
        for name, value in config.items():
            if name in secret_names and value and not is_secret_reference(value):
                example = f"database:{self.slug or 'name'}-{name}"
                message = _("%(name)s must be a reference to a secret, such as %(example)s.")
                raise ValidationError({"config": message % {"name": name, "example": example}})
        if plain := next(_plain_secrets(config), None):
            message = _("%(name)s looks like a secret. Store it as a secret and enter its reference at the top level.")
            raise ValidationError({"config": message % {"name": plain}})
        if (self.limit_requests is None) is not (self.limit_seconds is None):
            missing = "limit_seconds" if self.limit_seconds is None else "limit_requests"
            raise ValidationError({missing: _("Enter both the number of calls and the seconds, or neither.")})
        if not isinstance(self.allowed_hosts, list) or not all(map(_is_host, self.allowed_hosts)):
            raise ValidationError({"allowed_hosts": _("Enter host names, such as api.example.com.")})
        try:
            adapter.validate_config(config)
        except (ConnectorError, ValueError) as error:
            raise ValidationError({"config": translated(str(error))}) from error
        if (self.references() or self.oauth) and not (self.hosts() or self._names_hosts_later()):
            raise ValidationError({"allowed_hosts": _("Enter the hosts that may receive its secrets.")})

    def _check_sign_in(self) -> None:
        if not isinstance(self.oauth, dict):
            raise ValidationError({"oauth": _("The sign-in must be a JSON object.")})
        setup = self.sign_in
        if setup is None:
            return
        for name, reference in setup.secrets.items():
            if not is_secret_reference(reference):
                raise ValidationError(
                    {f"oauth_{name}": _("Enter a reference to a secret, such as database:client-secret.")}
                )
        if found := dict(setup.problems()):
            raise ValidationError({name: translated(reason) for name, reason in found.items()})

    def references(self) -> dict[str, list[str]]:
        """Return its secret references by name: a person who changes their destination must be allowed to use them."""
        found = {name: [value] for name, value in self.config.items() if is_secret_reference(value)}
        if setup := self.sign_in:
            found |= {f"oauth_{name}": [reference] for name, reference in setup.secrets.items()}
        token = self.loaded_token()
        if token is not None and (kept := [f"database:{each}" for each in (token.access, token.refresh) if each]):
            found["oauth_token"] = kept
        return found

    def secrets_in_use(self) -> list[str]:
        """Return the references that a call resolves, of the settings or the sign-in. No query without a sign-in."""
        if self.oauth:
            return [each for listed in self.references().values() for each in listed]
        return [value for value in self.config.values() if is_secret_reference(value)]

    def loaded_token(self) -> OAuthToken | None:
        """Return its tokens, without a query where they were loaded with it."""
        if "token" in self._state.fields_cache:
            token: OAuthToken | None = self._state.fields_cache["token"]
            return token
        return OAuthToken.objects.select_related("access", "refresh").filter(connection=self.pk).first()

    def forget_token(self) -> None:
        """Let `loaded_token` read the tokens again: they change."""
        self._state.fields_cache.pop("token", None)

    @property
    def token_name(self) -> str:
        """The connector's setting that holds the access token of a sign-in."""
        return token_name(self.adapter)

    @property
    def health_message(self) -> str:
        """Return `health_note` as a marked text, which is translated when it is shown."""
        return restored(self.health_text, self.health_note)

    def with_token(self, config: dict[str, Any], token: str) -> dict[str, Any]:
        """Return the configuration with the access token where its connector looks for it.

        `oauth` are the values that the provider's row keeps, such as the address of the account.
        """
        return {**config, "access_token": token, self.token_name: token, "oauth": self.kept_values()}

    def kept_values(self) -> dict[str, str]:
        """Return the values that its provider gave with the tokens. No query where the provider's row keeps none."""
        setup = self.sign_in
        if setup is None or not (setup.row.keep or setup.row.callback):
            return {}
        token = self.loaded_token()
        return dict(token.kept) if token else {}

    def hosts(self) -> list[str]:
        """Return the host names that its credentials may be sent to."""
        urls = [value for value in self.config.values() if isinstance(value, str) and "://" in value]
        known = list(self.allowed_hosts) or [host for url in urls if (host := urlsplit(url).hostname)]
        return known or self._own_hosts() or self._provider_hosts()

    def _provider_hosts(self) -> list[str]:
        """Return the hosts that its provider's row knows, or that the provider named with the tokens."""
        setup = self.sign_in
        if setup is None:
            return []
        addresses = [name for name, rule in setup.row.keep.items() if rule.domains]
        kept = self.kept_values() if addresses else {}
        named = [host for name in addresses if (host := urlsplit(kept.get(name, "")).hostname)]
        return [*setup.hosts, *named]

    def _names_hosts_later(self) -> bool:
        """Whether its provider names the hosts with the tokens."""
        return self.sign_in is not None and any(rule.domains for rule in self.sign_in.row.keep.values())

    def _own_hosts(self) -> list[str]:
        """Return the hosts that the connector itself knows."""
        try:
            return list(connectors.get(self.connector).own_hosts(self.config))
        except PluginNotFoundError:
            return []


def token_name(adapter: ConnectorAdapter) -> str:
    """Return the setting for an access token: the one with that name, else the first secret."""
    secrets = [field.name for field in adapter.config_fields if field.kind is FieldKind.SECRET]
    return next((name for name in ("access_token", "token") if name in secrets), (secrets or ["token"])[0])


_FOUND_OUT = frozenset(
    {"health", "health_since", "health_note", "health_text", "health_rev", "last_used_at", "tested_at"}
)


def is_secret_reference(value: Any) -> bool:
    """Whether a setting is a reference to a secret, such as `database:slack-token`."""
    return isinstance(value, str) and is_reference(value)


def _is_host(value: Any) -> bool:
    return isinstance(value, str) and _HOST.fullmatch(ascii_host(value)) is not None


def _plain_secrets(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """Yield the names in a configuration whose values look like secrets and are not references."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _plain_secrets(inner, str(key), depth + 1)
    elif isinstance(value, list):
        for inner in value:
            yield from _plain_secrets(inner, name, depth + 1)
    elif isinstance(value, str) and (_URL_WITH_USER.search(value) or _is_plain_secret(name, value, depth)):
        yield name


def _is_plain_secret(name: str, value: str, depth: int) -> bool:
    named_so = value and name != "header_name" and _SECRET_NAME.search(name)
    return bool(named_so) and not (depth == 1 and is_secret_reference(value))


class ConnectionUserPermission(UserObjectPermissionBase):
    """A verb on one connection, granted to a person."""

    content_object = models.ForeignKey(Connection, on_delete=models.CASCADE)


class ConnectionGroupPermission(GroupObjectPermissionBase):
    """A verb on one connection, granted to a group."""

    content_object = models.ForeignKey(Connection, on_delete=models.CASCADE)


class OAuthToken(models.Model):
    """The tokens of a connection that signs in, as stored secrets. Its row is locked while they are renewed.

    Tokens from a sign-in are secrets of the person who signed in. They are valid for `terms` alone
    (`grant_binding.terms_hash`). `expires_at` None: the provider did not say. `account` is the person who signed in.
    This row is locked before the connection's.

    `kept` are the values that the provider's row keeps, `missing_scopes` those asked for and not granted.
    `refresh_ends_at` is the end of the refresh token, which moves
    with each renewal if it `refresh_rolls`; `credential_ends_at` that of the application's certificate.
    `renewal_begun_at` is set until a renewal has an answer, `retry_at` after one that failed and may be repeated then.
    """

    governed_by = "connection"

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="token")
    access = models.ForeignKey(StoredSecret, on_delete=models.PROTECT, null=True, related_name="+")
    refresh = models.ForeignKey(StoredSecret, on_delete=models.PROTECT, null=True, related_name="+")
    expires_at = models.DateTimeField(null=True)
    renewed_at = models.DateTimeField(null=True)
    account = models.CharField(max_length=150, blank=True)
    terms = models.CharField(max_length=64, blank=True)
    kept = models.JSONField(default=dict, db_default=Value({}, models.JSONField()))
    missing_scopes = models.JSONField(default=list, db_default=Value([], models.JSONField()))
    refresh_ends_at = models.DateTimeField(null=True)
    refresh_rolls = models.BooleanField(null=True)
    credential_ends_at = models.DateTimeField(null=True)
    renewal_begun_at = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("access token")
        verbose_name_plural = _("access tokens")
        default_permissions = ()

    def __str__(self) -> str:
        return f"token of {self.connection_id}"


class SignInAttempt(models.Model):
    """A sign-in that was begun: valid once, for a short time, in that person's session, for these terms."""

    governed_by = "connection"

    state = models.CharField(max_length=64, unique=True)  # SHA-256: what stands here signs nobody in
    session = models.CharField(max_length=64)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="+")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    terms = models.CharField(max_length=64)  # `oauth.terms`, when it was begun
    begun_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = _("sign-in attempt")
        verbose_name_plural = _("sign-in attempts")
        default_permissions = ()

    def __str__(self) -> str:
        return f"sign-in of {self.user_id}"


class ConnectionCall(models.Model):
    """A call of a connection with limits: it waits, is admitted, starts and ends (`limits.calls`).

    `run` and `path` name its step; a call of a trigger has a `run` of its own. A call that has not ended by
    `lease_until` counts as ended: its worker crashed. Rows are deleted when they do not count any more.
    """

    governed_by = "connection"

    connection = models.ForeignKey(
        Connection, on_delete=models.CASCADE, related_name="+", db_constraint=False, db_index=False
    )
    run = models.UUIDField()
    path = models.CharField(max_length=2000)
    workflow = models.CharField(max_length=100)
    requested_at = models.DateTimeField()
    admitted_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("call of a limited connection")
        verbose_name_plural = _("calls of limited connections")
        default_permissions = ()
        indexes = [
            models.Index(fields=["connection", "finished_at"], name="calls_of_connection"),
            models.Index(fields=["run"], condition=models.Q(finished_at__isnull=True), name="open_calls_of_run"),
        ]

    def __str__(self) -> str:
        return f"{self.path} of {self.run}"
