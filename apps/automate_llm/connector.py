"""LLM connector: the engine calls a language model as it calls any action."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from automate_connectors.adapters.base import ConnectorAdapter, ConnectorError, OptionsError, unknown_action
from automate_connectors.adapters.tables import read_tables
from automate_egress import EgressError
from automate_llm import actions, prices
from automate_llm.model_call import DEFAULT_PROVIDER, ModelCaller, find_provider
from automate_llm.providers.base import LLMProviderError
from automate_llm.providers.options import ChatOptions
from automate_llm.registry import providers
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.texts import joined

_ACTIONS = {
    "chat": actions.chat,
    "extract": actions.extract,
    "classify": actions.classify,
    "summarise": actions.summarise,
}


_TABLES = read_tables(Path(__file__).with_suffix(".yaml"))


class LLMConnector(ConnectorAdapter):
    """Returns text or a validated document: a model is given no tools and decides nothing else."""

    code = "llm"
    name = text("Language model")
    description = text("Ask a language model, extract data, classify and summarise")
    icon = "auto_awesome"
    hue = 290
    takes_sign_in = False
    actions = _TABLES.actions

    @property
    def config_fields(self) -> tuple[FieldSpec, ...]:  # type: ignore[override] # the providers are plug-ins
        """The settings; the providers to choose from are those that are installed."""
        installed = [(name, providers.get(name).name) for name in providers.names()]
        choices = tuple(sorted(installed, key=lambda choice: choice[0] != DEFAULT_PROVIDER))
        provider = FieldSpec(
            name="provider", label=text("Provider"), kind=FieldKind.CHOICE, choices=choices, default=DEFAULT_PROVIDER
        )
        return (provider, *_TABLES.settings)

    def validate_config(self, config: dict[str, Any]) -> None:
        """Check that the provider is installed. Raises ValueError."""
        name = config.get("provider") or DEFAULT_PROVIDER
        if name not in providers.names():
            raise ValueError(
                text(
                    "Unknown provider %(name)s. Installed providers: %(known)s.",
                    name=repr(name),
                    known=", ".join(sorted(providers.names())),
                )
            )

    def own_hosts(self, config: dict[str, Any]) -> tuple[str, ...]:
        """Return the provider's own host."""
        name = config.get("provider") or DEFAULT_PROVIDER
        host = urlsplit(providers.get(name).default_base_url).hostname if name in providers.names() else None
        return (host,) if host else ()

    def options(self, name: str, params: dict[str, Any], context: dict[str, Any]) -> list[tuple[str, str]]:
        """Return `models` of the connection's service; on failure, substitutes: models with a known price."""
        connection = context["connection"]
        provider = find_provider(connection)
        if not provider.can_list:
            raise _options_error(connection, text("This provider does not list its models."), code="not_offered")
        try:
            found = provider.models(ChatOptions(http=context["http"], connection=connection))
        except (LLMProviderError, EgressError) as error:
            why = text("Could not list the models of this connection: %(reason)s", reason=str(error))
            raise _options_error(connection, why, code=error.code, retryable=error.retryable) from error
        return [(each, each) for each in sorted(found)]

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Run the action with the connection's provider; each output holds `usage`."""
        if action not in _ACTIONS:
            raise unknown_action(self.code, action)
        defaults = {field.name: field.default for field in self.action(action).fields or ()}
        given = {**defaults, **{name: value for name, value in params.items() if value is not None}}
        return _ACTIONS[action](ModelCaller(given, context), given, context["idempotency_key"])

    def reads_only(self, action: str, params: dict[str, Any]) -> bool:
        """Whether it changes nothing: a model only answers."""
        return True

    def check_connection(self, context: dict[str, Any]) -> str:
        """Request the provider's list of models."""
        connection = context.get("connection") or {}
        provider = find_provider(connection)
        if not provider.can_check:
            raise ConnectorError(text("This provider has no connection test."), code="not_offered")
        try:
            return provider.check(ChatOptions(http=context["http"], connection=connection))
        except LLMProviderError as error:
            raise ConnectorError(str(error), code=error.code, retryable=error.retryable) from error


def _options_error(connection: dict[str, Any], why: str, *, code: str, retryable: bool = False) -> OptionsError:
    """Return the error, with the priced models of the connection's provider as substitutes."""
    provider = f"{connection.get('provider') or DEFAULT_PROVIDER}/"
    known = sorted({*prices.site_prices(), *prices.shipped_prices()})
    names = [each.removeprefix(provider) for each in known if each.startswith(provider)]
    message = joined([why, text("Showing models with a known price instead.")])
    return OptionsError(message, [(each, each) for each in names], code=code, retryable=retryable)
