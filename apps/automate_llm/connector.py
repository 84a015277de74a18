"""LLM connector: the engine calls a language model as it calls any action."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, OptionsError, unknown_action
from automate_egress import EgressError
from automate_llm import actions, prices
from automate_llm.model_call import DEFAULT_PROVIDER, ModelCaller, find_provider
from automate_llm.providers.base import LLMProviderError
from automate_llm.providers.options import ChatOptions
from automate_llm.registry import providers
from automate_plugins import text
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.texts import joined

_MODEL = FieldSpec(name="model", label=text("Model"), required=True, options="models")
_TEXT = FieldSpec(
    name="text",
    label=text("Text to read"),
    kind=FieldKind.JSON,
    required=True,
    help=text("Text or data. The model is asked to treat it as data, not as instructions."),
    language="text",
)
_INSTRUCTIONS = FieldSpec(name="instructions", label=text("Additional instructions"), kind=FieldKind.LONG_TEXT)
_LIMITS = (
    FieldSpec(
        name="temperature",
        label=text("Temperature"),
        kind=FieldKind.NUMBER,
        help=text("A model that does not accept it is asked without it."),
    ),
    FieldSpec(
        name="max_tokens",
        label=text("Maximum answer tokens"),
        kind=FieldKind.INTEGER,
        default=2_000,
        help=text("Budgets reserve this amount"),
    ),
)
_USAGE = FieldSpec(name="usage", kind=FieldKind.MAPPING)
_ACTIONS = {
    "chat": actions.chat,
    "extract": actions.extract,
    "classify": actions.classify,
    "summarise": actions.summarise,
}


_SETTINGS = (
    FieldSpec(
        name="base_url",
        label=text("Base URL"),
        kind=FieldKind.URL,
        help=text("Leave empty for the provider's default. Set it for compatible or self-hosted servers."),
    ),
    FieldSpec(name="api_key", label=text("API key"), kind=FieldKind.SECRET),
    FieldSpec(
        name="structured_output",
        label=text("Structured output"),
        kind=FieldKind.BOOLEAN,
        default=True,
        help=text("Turn off if the model does not support it. Answers are always validated."),
    ),
)


class LLMConnector(ConnectorAdapter):
    """Returns text or a validated document: a model is given no tools and decides nothing else."""

    code = "llm"
    name = text("Language model")
    description = text("Ask a language model, extract data, classify and summarise")
    icon = "auto_awesome"
    hue = 290
    takes_sign_in = False
    actions = (
        Action(
            name="chat",
            label=text("Ask model"),
            description=text("Send a prompt and return the answer"),
            fields=(
                _MODEL,
                FieldSpec(name="system", label=text("Instructions"), kind=FieldKind.LONG_TEXT, shown=True),
                FieldSpec(name="prompt", label=text("Prompt"), kind=FieldKind.LONG_TEXT, required=True),
                FieldSpec(
                    name="data",
                    label=text("Data"),
                    kind=FieldKind.JSON,
                    help=text("Untrusted content, kept separate from the prompt"),
                ),
                *_LIMITS,
            ),
            outputs=(FieldSpec(name="text"), FieldSpec(name="cut_off", kind=FieldKind.BOOLEAN), _USAGE),
        ),
        Action(
            name="extract",
            label=text("Extract data"),
            description=text("Extract fields from text and validate them"),
            fields=(
                _MODEL,
                _TEXT,
                FieldSpec(
                    name="schema",
                    label=text("Output fields"),
                    kind=FieldKind.MAPPING,
                    required=True,
                    language="json-schema",
                    help=text("The fields of the answer. Each one is checked, and later steps can use it."),
                ),
                _INSTRUCTIONS,
                *_LIMITS,
            ),
            outputs=(
                FieldSpec(name="data", kind=FieldKind.MAPPING, language="json-schema"),
                FieldSpec(name="repaired", kind=FieldKind.BOOLEAN),
                _USAGE,
            ),
        ),
        Action(
            name="classify",
            label=text("Classify text"),
            description=text("Choose the label that best fits a text"),
            fields=(
                _MODEL,
                _TEXT,
                FieldSpec(name="labels", label=text("Labels"), kind=FieldKind.LIST, required=True),
                _INSTRUCTIONS,
                *_LIMITS,
            ),
            outputs=(FieldSpec(name="label"), _USAGE),
        ),
        Action(
            name="summarise",
            label=text("Summarise text"),
            description=text("Summarise a text. Long texts are read in parts."),
            fields=(
                _MODEL,
                _TEXT,
                FieldSpec(name="words", label=text("Length (words)"), kind=FieldKind.INTEGER, default=150),
                _INSTRUCTIONS,
                FieldSpec(name="piece_tokens", label=text("Tokens per part"), kind=FieldKind.INTEGER, default=6_000),
                FieldSpec(name="max_calls", label=text("Maximum calls"), kind=FieldKind.INTEGER, default=10),
                *_LIMITS,
            ),
            outputs=(FieldSpec(name="text"), FieldSpec(name="pieces", kind=FieldKind.INTEGER), _USAGE),
        ),
    )

    @property
    def config_fields(self) -> tuple[FieldSpec, ...]:  # type: ignore[override] # the providers are plug-ins
        """The settings; the providers to choose from are those that are installed."""
        installed = [(name, providers.get(name).name) for name in providers.names()]
        choices = tuple(sorted(installed, key=lambda choice: choice[0] != DEFAULT_PROVIDER))
        provider = FieldSpec(
            name="provider", label=text("Provider"), kind=FieldKind.CHOICE, choices=choices, default=DEFAULT_PROVIDER
        )
        return (provider, *_SETTINGS)

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
