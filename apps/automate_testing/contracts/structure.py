"""Checks of a connector's description, and of its validation of configurations."""

from __future__ import annotations

import copy
import dis
import json
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from types import FunctionType
from typing import Any

import pytest
from django.conf import settings

from automate_connectors.adapters.base import Action, ActionVersionError, ConnectorAdapter, ConnectorError, Effect
from automate_connectors.adapters.polls import LEAST_SECONDS
from automate_connectors.adapters.webhooks import EVENTS
from automate_connectors.invocation import invoke
from automate_connectors.registry import connectors
from automate_plugins.fields import FieldKind, FieldSpec, problems
from automate_testing.cases import Case
from automate_testing.contracts.calls import make_instance
from automate_testing.contracts.samples import (
    NAME,
    check_fields,
    is_about_a_secret,
    is_host,
    is_secret_setting,
    secret_names,
    strange_configs,
)
from automate_testing.contracts.suite import ConnectorSuite
from automate_testing.contracts.triggers.signatures import sample_problem, scheme_problem
from automate_testing.fakes import context

_NO_STEPS, _RETURNS = {"RESUME", "NOP"}, {"LOAD_CONST", "RETURN_CONST", "RETURN_VALUE"}
_REFERENCE = "env:CONTRACT_SECRET"
_CREDENTIAL_HEADERS = ("authorization", "api-key", "apikey", "auth-token", "access-token")


class ConnectorStructure(ConnectorSuite):
    """Checks that make no request."""

    def test_contract_made_without_arguments(self, adapter: ConnectorAdapter) -> None:
        """Its class is called without arguments, once for all threads."""
        make_instance(type(adapter))

    def test_contract_identity(self, adapter: ConnectorAdapter) -> None:
        """It is a ConnectorAdapter with a code and a name."""
        assert isinstance(adapter, ConnectorAdapter), "it is not a ConnectorAdapter"
        code, name = getattr(adapter, "code", None), getattr(adapter, "name", None)
        assert isinstance(code, str) and NAME.match(code), (
            "code is lower-case letters, digits, _ and -, beginning with a letter"
        )
        assert name and isinstance(name, str), "name is a text for people"
        assert isinstance(adapter.hue, int) and 0 <= adapter.hue <= 360, "hue is from 0 to 360"
        assert adapter.icon and isinstance(adapter.icon, str), "icon is the name of a Material Symbol"

    def test_contract_code(self, adapter: ConnectorAdapter) -> None:
        """Its code is that of no built-in connector, unless `replaces` names it, and that of its entry point."""
        code = adapter.code
        is_meant = code in (self.replaces, getattr(adapter, "extends", ""))
        installed = connectors.installed if settings.configured else ()  # a package may test itself without a project
        targets = {plugin.target for plugin in installed if plugin.is_built_in and plugin.name == code}
        targets |= {plugin.replaces for plugin in installed if plugin.name == code and plugin.replaces}
        others = targets - {_target(type(adapter))}
        assert is_meant or not others, (
            f"the code {code!r} is that of the built-in connector {', '.join(sorted(others))}, which it would replace"
            " in all workflows: choose another code, or name it in `replaces`"
        )
        for entry in entry_points(group=connectors.group):
            assert entry.value != _target(type(adapter)) or entry.name == code, (
                f"the entry point {entry.name!r} has another name than the code {code!r}: AUTOMATE_CONNECTORS allows"
                " connectors by their entry point, and steps name them by their code, so call both the same"
            )

    def test_contract_actions(self, adapter: ConnectorAdapter) -> None:
        """Actions have names of their own, an effect kind, and fields that survive a round trip through JSON."""
        names = [action.name for action in adapter.actions]
        assert len(set(names)) == len(names), "two actions share a name"
        for action in adapter.actions:
            assert NAME.match(action.name), f"{action.name!r} is not a name"
            assert isinstance(action.effect, Effect), f"the effect of {action.name} is not an Effect"
            check_fields(action.fields or ())
            check_fields(action.outputs)
            for spec in _with_columns(action.fields or ()):
                assert spec.kind is not FieldKind.SECRET, (
                    f"the input {spec.name} of {action.name} is of FieldKind.SECRET, which is for settings of a"
                    " connection alone; move it to `config_fields`, or say sensitive=True"
                )
        check_fields(adapter.config_fields)

    def test_contract_polls(self, adapter: ConnectorAdapter) -> None:
        """Polls have names of their own, fields of plain values, an interval and a sample of what they find."""
        names = [poll.name for poll in adapter.polls]
        assert len(set(names)) == len(names), "two polls share a name"
        overrides = type(adapter).poll is not ConnectorAdapter.poll
        assert overrides or not names, "it describes polls, and has no method `poll`"
        for poll in adapter.polls:
            assert NAME.match(poll.name), f"{poll.name!r} is not a name"
            check_fields(poll.fields)
            secret = [spec.name for spec in poll.fields if spec.kind is FieldKind.SECRET]
            assert not secret, f"the field {', '.join(secret)} of {poll.name} is of FieldKind.SECRET"
            assert isinstance(poll.least_seconds, int) and poll.least_seconds >= LEAST_SECONDS, (
                f"{poll.name} is repeated after {LEAST_SECONDS} seconds at the earliest"
            )
            assert poll.sample and json.loads(json.dumps(dict(poll.sample))) == dict(poll.sample), (
                f"the sample of {poll.name} is the data of an item, made of JSON"
            )

    def test_contract_webhooks(self, adapter: ConnectorAdapter) -> None:
        """Webhooks have names of their own, fields of plain values, a signature scheme, a sample, and their methods."""
        names = [webhook.name for webhook in adapter.webhooks]
        assert len(set(names)) == len(names), "two webhooks share a name"
        needed = ["register_webhook", "remove_webhook"] if names else []
        needed += ["read_changes"] if any(webhook.announces for webhook in adapter.webhooks) else []
        for method in needed:
            overrides = getattr(type(adapter), method) is not getattr(ConnectorAdapter, method)
            assert overrides, f"it describes webhooks, and has no method `{method}`"
        for webhook in adapter.webhooks:
            assert NAME.match(webhook.name), f"{webhook.name!r} is not a name"
            check_fields(webhook.fields)
            fields = {spec.name: spec.kind for spec in webhook.fields}
            secret = [name for name, kind in fields.items() if kind is FieldKind.SECRET]
            assert not secret, f"the field {', '.join(secret)} of {webhook.name} is of FieldKind.SECRET"
            assert EVENTS not in fields, f"the field {EVENTS} of {webhook.name} has the name of its event types"
            problem = scheme_problem(webhook.scheme, webhook.scheme_config)
            assert not problem, f"the signature scheme of {webhook.name}: {problem}"
            assert webhook.sample and json.loads(json.dumps(dict(webhook.sample))) == dict(webhook.sample), (
                f"the sample of {webhook.name} is the payload of a delivery, made of JSON"
            )
            problem = sample_problem(webhook)
            assert not problem, f"the sample of {webhook.name}: {problem}"

    def test_contract_versions(self, adapter: ConnectorAdapter) -> None:
        """Each older version of an action has a case, whose params its migrations turn into good ones."""
        for action in adapter.actions:
            assert type(action.version) is int and action.version >= 1, f"the version of {action.name} is from 1"
            older = set(range(1, action.version))
            assert set(action.migrations) == older, (
                f"{action.name} has version {action.version}: declare a migration from each of {sorted(older)}"
            )
            for version in sorted(older):
                cases = [case for case in self.cases if (case.action, case.version) == (action.name, version)]
                assert cases, f"declare a case of {action.name} with version={version}, to check its migration"
                for case in cases:
                    self._check_migration(action, case)

    def _check_migration(self, action: Action, case: Case) -> None:
        given = copy.deepcopy(case.params)
        try:
            migrated, again = (action.migrate(copy.deepcopy(given), case.version) for _ in range(2))
        except ActionVersionError as error:
            raise AssertionError(f"{case}: {error}") from error
        assert migrated == again, f"{case}: two migrations of the same params differ"
        found = problems(action.fields, migrated) if action.fields is not None else []
        assert not found, f"{case}: the migrated params do not fit version {action.version}: {'; '.join(found)}"

    def test_contract_every_action(self, adapter: ConnectorAdapter) -> None:
        """Each declared action is called by a case, or named in `untried_actions`."""
        if not self.cases:
            pytest.skip("declare `cases` to check what each action does")
        tried = {case.action for case in self.cases} | set(self.untried_actions)
        untried = [action.name for action in adapter.actions if action.name not in tried]
        assert not untried, (
            f"no case calls {', '.join(untried)}, so nothing of it is checked: add a case for each action, or name it"
            " in `untried_actions`"
        )

    def test_contract_secret_fields(self, adapter: ConnectorAdapter) -> None:
        """Settings that hold a secret are of FieldKind.SECRET: any other kind is stored and shown in clear text."""
        for spec in adapter.config_fields:
            assert not is_secret_setting(spec), (
                f"{spec.name} holds a secret, by its name or label: its kind must be FieldKind.SECRET; the name of a"
                " header or an id ends in _header or _key_id"
            )
        named = {spec.name for spec in adapter.config_fields if not is_about_a_secret(spec.name)}
        open_fields = named - secret_names(adapter)
        for case in self.probes(adapter) if adapter.config_fields else ():
            for request in self.attempt(adapter, case).http.requests:
                sent = [v for k, v in request.headers.items() if any(n in k.lower() for n in _CREDENTIAL_HEADERS)]
                for name in open_fields & case.connection.keys():
                    value = str(case.connection[name])
                    is_sent = len(value) >= 3 and any(value in str(header) for header in sent)
                    assert not is_sent, f"{name} is sent as a credential: its kind must be FieldKind.SECRET"

    def test_contract_missing_input(self, adapter: ConnectorAdapter) -> None:
        """A call without a required input fails before it reaches the connector, and names the input."""
        for action in adapter.actions:
            for required in (spec for spec in action.fields or () if spec.required):
                with pytest.raises(ConnectorError) as caught:
                    invoke(adapter, action, {}, context())
                assert caught.value.code == "invalid_input" and required.name in caught.value.message

    def test_contract_good_input(self, adapter: ConnectorAdapter) -> None:
        """The inputs of each case fit the fields that the action and the connection describe."""
        for case in self.cases:
            fields = self.action(adapter, case).fields
            found = problems(fields, case.params) if fields is not None else []
            assert not found, f"{case}: {'; '.join(found)}"
            named = {spec.name for spec in adapter.config_fields}
            unknown = case.connection.keys() - named
            assert not named or not unknown, f"{case}: {adapter.code} has no config field {', '.join(sorted(unknown))}"

    def test_contract_own_hosts(self, adapter: ConnectorAdapter) -> None:
        """Own hosts are names of hosts, without scheme, port and path, whatever the configuration holds."""
        for config in ({}, self.connection(adapter)):
            call = self.observe(lambda config=config: adapter.own_hosts(config), "own_hosts")
            assert call.error is None, f"own_hosts raises {type(call.error).__name__}: {call.error}"
            assert isinstance(call.value, tuple | list), "own_hosts gives a tuple of names"
            for host in call.value:
                assert is_host(host), f"{host!r} is not the name of a host"

    def test_contract_validate_config(self, adapter: ConnectorAdapter) -> None:
        """A configuration is taken or refused with ConnectorError or ValueError that says why, nothing else."""
        good = self._config(adapter)
        fitting = (config for config in strange_configs(adapter, good) if not problems(adapter.config_fields, config))
        for config in [{}, *(fitting if adapter.config_fields else ())]:
            call = self._validate(adapter, config)
            assert call.error is None or isinstance(call.error, ConnectorError | ValueError), (
                f"validate_config({config}) raises {type(call.error).__name__}: {call.error}"
            )
            assert call.error is None or str(call.error), "the refusal does not say why"

    def test_contract_validate_config_accepts(self, adapter: ConnectorAdapter) -> None:
        """The connections of the cases are good ones, with references in place of secrets."""
        for case in self.cases:
            if case.connection:
                config = self._referring(adapter, case.connection)
                error = self._validate(adapter, config).error
                assert error is None, f"validate_config refuses the connection of {case}: {error}"

    def test_contract_validate_config_refuses(self, adapter: ConnectorAdapter) -> None:
        """A connector that validates configurations refuses some, and each of `bad_configs`."""
        for config in self.bad_configs:
            assert self._validate(adapter, config).error is not None, f"validate_config accepts {config}"
        if self.bad_configs or _is_empty(type(adapter).validate_config):
            return
        errors = [self._validate(adapter, config).error for config in strange_configs(adapter, self._config(adapter))]
        assert any(isinstance(error, ConnectorError | ValueError) for error in errors), (
            "validate_config refuses nothing: leave it out, or declare `bad_configs` that it refuses"
        )

    def _config(self, adapter: ConnectorAdapter) -> dict[str, Any]:
        return self._referring(adapter, self.connection(adapter))

    def _referring(self, adapter: ConnectorAdapter, connection: dict[str, Any]) -> dict[str, Any]:
        secret = secret_names(adapter)
        return {name: _REFERENCE if name in secret else value for name, value in connection.items()}

    def _validate(self, adapter: ConnectorAdapter, config: dict[str, Any]) -> Any:
        given = copy.deepcopy(config)
        call = self.observe(lambda: adapter.validate_config(given), "validate_config")
        assert given == config, "validate_config changes the configuration"
        return call


def _target(cls: type) -> str:
    """Return a class as an entry point names it."""
    return f"{cls.__module__}:{cls.__qualname__}"


def _is_empty(function: Any) -> bool:
    """Whether the body has nothing but a docstring, `pass` or `return None`, as that of the base class."""
    if not isinstance(function, FunctionType):
        return False
    steps = [step for step in dis.get_instructions(function) if step.opname not in _NO_STEPS]
    return all(step.opname in _RETURNS and step.argval is None for step in steps)


def _with_columns(fields: Iterable[FieldSpec]) -> Iterator[FieldSpec]:
    for spec in fields:
        yield spec
        yield from _with_columns(spec.columns)
