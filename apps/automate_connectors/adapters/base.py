"""The contract of a connector: what it can do, described as data, and one method that does it.

The shipped connectors beside this file are written against it, and load by the same entry points as anybody's.
"""

from __future__ import annotations

import copy
import enum
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from automate_connectors.adapters.polls import Poll, PollResult
from automate_connectors.adapters.webhooks import Registration, Webhook
from automate_connectors.context import Context
from automate_plugins import text
from automate_plugins.fields import FieldSpec

NEEDS_RECONNECT = "needs_reconnect"  #: the code of an error that only a person can mend
#: Codes of errors that mean: these credentials are not let in.
REFUSED = frozenset({"authentication_failed", "http_401", NEEDS_RECONNECT})


class ConnectorError(Exception):
    """The side effect did not happen, or is in doubt. The only exception that crosses the seam.

    `code` is a stable identifier for rules and filters; `retryable` says whether the same call may succeed later;
    `retry_after` is the number of seconds that the other side asked to wait; `details` is JSON-like and shown to
    people, so it holds no secret.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str = "connector_error",
        retryable: bool = False,
        retry_after: float | None = None,
        details: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.retryable = retryable
        self.retry_after = retry_after
        self.details = details or {}


def unknown_action(connector: str, action: str) -> ConnectorError:
    """Return the error for an action that a connector does not have."""
    message = text("The connector %(connector)s has no action %(name)s.", connector=connector, name=repr(action))
    return ConnectorError(message, code="unknown_action")


class Effect(enum.StrEnum):
    """What an action does to the world, which decides how the engine runs and journals it."""

    PURE = "pure"  #: computes from its inputs at once, without input or output; run in line, never repeated needlessly
    TRANSACTIONAL = "transactional"  #: writes through Django's ORM only; commits together with its step
    EFFECTFUL = "effectful"  #: reaches outside; recorded before and after, repeated at most after a crash


class ActionVersionError(ValueError):
    """A version of an action that is not known, or that cannot be migrated."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """One thing a connector does. `fields` None means that any inputs are taken.

    `moves_money`: authors are warned where nothing says what to do when it fails.
    `outputs` are what its output holds, by name and kind: the builder offers them before the action has ever run.
    Of the inputs that `needs_one_of` names, at least one has to be filled in. `group` is the heading under which docs
    list it.

    A `version` is added when older inputs no longer fit, or mean something else: `migrations[n]` returns the inputs of
    version n, expressions included, as those of n + 1. Published workflows keep the version they were published with,
    which `execute` finds in `context["version"]`.
    """

    name: str
    label: str = ""
    description: str = ""
    fields: tuple[FieldSpec, ...] | None = None
    effect: Effect = Effect.EFFECTFUL
    moves_money: bool = False
    outputs: tuple[FieldSpec, ...] = ()
    needs_one_of: tuple[str, ...] = ()
    version: int = 1
    migrations: Mapping[int, Callable[[dict[str, Any]], dict[str, Any]]] = field(default_factory=dict, compare=False)
    group: str = ""

    def at_version(self, version: int) -> Action:
        """The action as a step of that version calls it: of an older one, any inputs are taken, as they are.

        Raises ActionVersionError for a version that is newer than the connector's.
        """
        if version == self.version:
            return self
        self._check_version(version)
        return replace(self, version=version, fields=None, needs_one_of=())

    def migrate(self, inputs: dict[str, Any], version: int) -> dict[str, Any]:
        """Return the inputs of a step of that version as those of the present one; a copy where anything is changed.

        Raises ActionVersionError.
        """
        self._check_version(version)
        for number in range(version, self.version):
            inputs = self._migrated(copy.deepcopy(inputs), number)
        return inputs

    def _check_version(self, version: int) -> None:
        if not 1 <= version <= self.version:
            raise ActionVersionError(
                text(
                    "The action %(action)s has the versions 1 to %(known)s. Version %(version)s needs a newer package.",
                    action=self.name,
                    known=str(self.version),
                    version=str(version),
                )
            )

    def _migrated(self, inputs: dict[str, Any], version: int) -> dict[str, Any]:
        if version not in self.migrations:
            raise ActionVersionError(
                text(
                    "The action %(action)s cannot be migrated from version %(version)s.",
                    action=self.name,
                    version=str(version),
                )
            )
        try:
            found = self.migrations[version](inputs)
            if not isinstance(found, dict):
                raise TypeError(f"it returns {type(found).__name__}, not a dict")
        except Exception as error:
            raise ActionVersionError(
                text(
                    "The migration of %(action)s from version %(version)s failed: %(reason)s",
                    action=self.name,
                    version=str(version),
                    reason=f"{type(error).__name__}: {error}",
                )
            ) from error
        return found


def unknown_poll(connector: str, name: str) -> ConnectorError:
    """Return the error for a poll that a connector does not have."""
    message = text("The connector %(connector)s has no poll %(name)s.", connector=connector, name=repr(name))
    return ConnectorError(message, code="unknown_poll")


def unknown_webhook(connector: str, name: str) -> ConnectorError:
    """Return the error for a webhook that a connector does not have."""
    message = text("The connector %(connector)s has no webhook %(name)s.", connector=connector, name=repr(name))
    return ConnectorError(message, code="unknown_webhook")


class OptionsError(ConnectorError):
    """Why a field's options cannot be listed, with others to offer `instead`, which the message names."""

    def __init__(self, message: str, instead: Iterable[tuple[str, str]], *, code: str, retryable: bool = False) -> None:
        super().__init__(message, code=code, retryable=retryable)
        self.instead = list(instead)


@dataclass(frozen=True, kw_only=True)
class RateLimit:
    """At most `requests` calls in any `seconds`, and `concurrent` at once. None: no such limit.

    It applies to each connection that does not set its own.
    """

    requests: int | None = None
    seconds: int = 60
    concurrent: int | None = None


class ConnectorAdapter(ABC):
    """A connector. Made without arguments, shared by threads, found in the group `django_automate.connectors`.

    `actions`, `polls`, `webhooks` and `config_fields` are optional data: an adapter without actions accepts any action
    with free-form params, one without config fields any configuration. `icon` is the name of a Material Symbol; `hue`
    (0 to 360) tints its tile. `oauth_provider` is the provider that the form of a new connection offers for the
    sign-in, and `oauth_scopes` are those that a sign-in there requests if the connection names none. `takes_sign_in` is
    False where the service accepts no access token in place of the secret: the form then offers no sign-in.
    """

    code: str
    name: str
    description: str = ""
    icon: str = "power"
    hue: int = 250
    oauth_provider: str = ""
    oauth_scopes: str = ""
    takes_sign_in: bool = True
    actions: tuple[Action, ...] = ()
    polls: tuple[Poll, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    config_fields: tuple[FieldSpec, ...] = ()
    rate_limit: RateLimit | None = None

    @abstractmethod
    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        """Execute the side effect and return its JSON-like output.

        `context` holds `connection` (the configuration, secrets resolved to plain values), `http` (the guarded
        session, bound to the connection's allowed hosts), `network` (the same for other protocols), `files` (files
        that pass between steps), `idempotency_key` (the same on every attempt), `deadline` (seconds on
        `time.monotonic()`), `cancelled()`, `log(message, level="info")`, `run` (ids), `step` (`path` and `attempt`) and
        `user` (the run-as user). Nothing of it is stored.

        Must raise ConnectorError on failure; errors of `http` and `network` may pass as they are.
        """

    def reads_only(self, action: str, params: dict[str, Any]) -> bool:
        """Optional: whether `execute` with these inputs changes nothing at the service, so that it may be repeated.

        Of attempts that were stored, large inputs are cut.
        """
        return False

    def validate_config(self, config: dict[str, Any]) -> None:  # noqa: B027 - optional, as the contract says
        """Optional: validate the setup configuration, in which secrets are references.

        Raise ConnectorError or ValueError.
        """

    def check_connection(self, context: Context) -> str:
        """Optional: test the connection with a real call that changes nothing; `context` is as in `execute`.

        Returns a line for people, such as the name of the account. Raise ConnectorError when the connection does not
        work, with the code `needs_reconnect` when only a person can repair it.
        """
        raise NotImplementedError

    def describe(self, action: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """Optional: what `execute` would do, for a dry run; nothing may happen.

        Returns JSON-like names and values: `summary`, one line for people, and what would be sent. `context` is as in
        `execute`, but has no way out and no secret in its `connection`. Raise ConnectorError for what `execute` would
        refuse by itself.
        """
        raise NotImplementedError

    def own_hosts(self, config: dict[str, Any]) -> tuple[str, ...]:
        """Optional: the host names it goes to where neither the configuration's URLs nor anybody else names any."""
        return ()

    def options(self, name: str, params: dict[str, Any], context: Context) -> list[tuple[str, str]]:
        """Optional: choices of the fields whose `FieldSpec.options` is `name`, as (value, label), at most a thousand.

        `params` are the inputs filled in so far, with expressions and gaps; of a connector that takes no connection,
        expressions have their values on the sample of the builder, where there is one. `context` is as in `execute`,
        and its `user` is the person who edits the step. Without a connection, `connection` is empty. Must not change
        anything. Raise ConnectorError.
        """
        raise NotImplementedError

    def poll(self, name: str, params: dict[str, Any], cursor: Any, context: Context) -> PollResult:
        """Optional: ask once for the items of one of `polls` that came after `cursor`, the oldest first.

        `cursor` is what the call before returned. Without one (None), return the newest items that are there, and a
        cursor behind all of them: these start nothing. The same cursor gives the same items again, until there are new
        ones. Items may come again, so begin before the cursor where others may still appear there: of the same second,
        or of a transaction that ends later. What comes again belongs to the result without a cursor, too.

        `context` is as in `execute`, without files and without an attempt of a step. Must change nothing. Raise
        ConnectorError; what asks to wait says so by `retry_after`.
        """
        raise NotImplementedError

    def register_webhook(
        self, name: str, params: dict[str, Any], url: str, secret: str, context: Context
    ) -> Registration:
        """Optional: have the service send to `url` what one of `webhooks` names. Only called after `find_webhook`.

        `params` are the inputs, and `events`, the event types; `secret` proves the deliveries, by the webhook's
        scheme. The service may send a test before this returns. `context` is as in `poll`; its `idempotency_key` is
        the same until the registration is stored, unless `find_webhook` is there. Raise ConnectorError.
        """
        raise NotImplementedError

    def find_webhook(self, name: str, params: dict[str, Any], url: str, context: Context) -> Registration | None:
        """Optional: the registration with this `url` that the service has, or None.

        It is asked for before each registration, so that a worker that died behind one leaves no second, and once a
        day, so that one that was deleted there is made again. Leave it out where the service cannot tell. Must change
        nothing. Raise ConnectorError.
        """
        raise NotImplementedError

    def renew_webhook(
        self, name: str, params: dict[str, Any], registration: Registration, url: str, secret: str, context: Context
    ) -> Registration:
        """Optional: extend a registration before it expires. Without it, another is made, and this one removed.

        The registration is as it was returned, without its secret. Raise ConnectorError.
        """
        renewed = self.register_webhook(name, params, url, secret, context)
        if renewed.id != registration.id:
            self.remove_webhook(name, params, registration, context)
        return renewed

    def remove_webhook(self, name: str, params: dict[str, Any], registration: Registration, context: Context) -> None:
        """Optional: have the service send no more. One that is not there any more is removed: no error.

        The registration is as it was returned, without its secret. Raise ConnectorError.
        """
        raise NotImplementedError

    def read_changes(
        self, name: str, params: dict[str, Any], registration: Registration, context: Context
    ) -> PollResult:
        """Optional: the changes that one of `webhooks` announces, those behind the place in the registration's `data`.

        The `cursor` of the result is the new `data`, a mapping, for which this is called next. The same `data` gives
        the same changes again. It is called after an announcement, and once a day. `context` is as in `poll`. Must
        change nothing. Raise ConnectorError.
        """
        raise NotImplementedError

    @property
    def can_find_webhooks(self) -> bool:
        """Whether `find_webhook` is there."""
        return type(self).find_webhook is not ConnectorAdapter.find_webhook

    @property
    def missing(self) -> str:
        """What has to be installed before it works, as a sentence for people; "" where all is there."""
        return ""

    @property
    def takes_connection(self) -> bool:
        """Whether its steps choose a connection: it has settings, or says nothing of itself."""
        return bool(self.config_fields) or not self.actions

    @property
    def needs_connection(self) -> bool:
        """Whether its steps cannot do without a connection: people sign in, or a required setting has no default."""
        if self.oauth_provider:
            return True
        defaults = {field.name: field.default for field in self.config_fields}
        needed = (field for field in self.config_fields if field.required and field.default is None)
        return any(field.is_asked(defaults) for field in needed)

    def scopes_for(self, provider: str) -> str:
        """The scopes that a sign-in at this provider requests if the connection names none; "" for the provider's."""
        return self.oauth_scopes if provider == self.oauth_provider else ""

    @property
    def can_check(self) -> bool:
        """Whether `check_connection` is there."""
        return type(self).check_connection is not ConnectorAdapter.check_connection

    @property
    def can_describe(self) -> bool:
        """Whether `describe` is there."""
        return type(self).describe is not ConnectorAdapter.describe

    def action(self, name: str) -> Action:
        """The described action of that name. Raises LookupError when the connector describes others but not it."""
        for action in self.actions:
            if action.name == name:
                return action
        if self.actions:
            known = ", ".join(each.name for each in self.actions)
            raise LookupError(
                text(
                    "The connector %(connector)s has no action %(name)s. It has: %(known)s.",
                    connector=self.code,
                    name=repr(name),
                    known=known,
                )
            )
        return Action(name=name, label=name.replace("_", " ").capitalize())
