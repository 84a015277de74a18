"""Connection: a named, shared configuration of a connector. It holds references to secrets, never secrets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from automate_connectors.adapters.base import ConnectorError
from automate_connectors.registry import connectors
from automate_governance.governed import Governed, verbs
from automate_governance.secrets.resolver import is_reference, resolve
from automate_plugins.fields import FieldKind, problems
from automate_plugins.registry import PluginNotFoundError

_SECRET_NAME = re.compile(r"token|secret|passw|api[_-]?key|credential|private_?key|authorization|cookie", re.IGNORECASE)
_URL_WITH_USER = re.compile(r"://[^/]*@")
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]{0,251}[a-z0-9])?|[0-9a-f:.]*:[0-9a-f:.]*", re.IGNORECASE)


class Connection(Governed):
    """Where and as whom a connector works. Steps name it by its slug.

    `allowed_hosts` are the host names its credentials may be sent to; empty means the hosts of URLs in its
    configuration.
    """

    name = models.CharField(max_length=100)
    slug = models.SlugField(max_length=100, unique=True)
    connector = models.CharField(max_length=100)
    config = models.JSONField(default=dict, blank=True)
    allowed_hosts = models.JSONField(default=list, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ["name"]
        default_permissions = ()
        permissions = verbs("connection", "add", "view", "use", "change", "share", "delete")

    def __str__(self) -> str:
        return self.name

    def clean(self) -> None:
        """Check the configuration against its connector. Raises ValidationError, by field."""
        try:
            adapter = connectors.get(self.connector)
        except PluginNotFoundError as error:
            raise ValidationError({"connector": str(error)}) from error
        if not isinstance(self.config, dict):
            raise ValidationError({"config": "The configuration is a mapping of names to values."})
        if adapter.config_fields and (found := problems(adapter.config_fields, self.config)):
            raise ValidationError({"config": [f"{problem}." for problem in found]})
        secret_names = {field.name for field in adapter.config_fields if field.kind is FieldKind.SECRET}
        for name, value in self.config.items():
            if name in secret_names and value and not _refers(value):
                example = f"database:{self.slug or 'name'}-{name}"
                raise ValidationError({"config": f"{name} must be a reference to a secret, such as {example}."})
        if plain := next(_plain_secrets(self.config), None):
            raise ValidationError(
                {"config": f"{plain} looks like a secret: store it, and refer to it by a name at the top level."}
            )
        if not isinstance(self.allowed_hosts, list) or not all(map(_is_host, self.allowed_hosts)):
            raise ValidationError({"allowed_hosts": 'A list of host names, such as ["api.example.com"].'})
        if self.references()["config"] and not self.hosts():
            raise ValidationError({"allowed_hosts": "Name the hosts that its secrets may be sent to."})
        try:
            adapter.validate_config(self.config)
        except (ConnectorError, ValueError) as error:
            raise ValidationError({"config": str(error)}) from error

    def references(self) -> dict[str, list[str]]:
        """The secret references in it, by field."""
        return {"config": [value for value in self.config.values() if _refers(value)]}

    def resolved(self) -> dict[str, Any]:
        """The configuration with plain secret values, for `context["connection"]` alone. Raises SecretNotFoundError."""
        return {name: resolve(value).reveal() if _refers(value) else value for name, value in self.config.items()}

    def hosts(self) -> list[str]:
        """The host names that its credentials may go to."""
        urls = [value for value in self.config.values() if isinstance(value, str) and "://" in value]
        known = list(self.allowed_hosts) or [host for url in urls if (host := urlsplit(url).hostname)]
        return known or self._own_hosts()

    def _own_hosts(self) -> list[str]:
        """Those that the connector itself knows."""
        try:
            return list(connectors.get(self.connector).own_hosts(self.config))
        except PluginNotFoundError:
            return []


def _refers(value: Any) -> bool:
    return isinstance(value, str) and is_reference(value)


def _is_host(value: Any) -> bool:
    return isinstance(value, str) and _HOST.fullmatch(value) is not None


def _plain_secrets(value: Any, name: str = "", depth: int = 0) -> Iterator[str]:
    """The names in a configuration whose values look like secrets and are not references."""
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
    return bool(named_so) and not (depth == 1 and _refers(value))


class ConnectionUserPermission(UserObjectPermissionBase):
    """A verb on one connection, granted to a person."""

    content_object = models.ForeignKey(Connection, on_delete=models.CASCADE)


class ConnectionGroupPermission(GroupObjectPermissionBase):
    """A verb on one connection, granted to a group."""

    content_object = models.ForeignKey(Connection, on_delete=models.CASCADE)
