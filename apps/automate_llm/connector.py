"""LLM connector: the engine calls a language model as it calls any action."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, OptionsError
from automate_egress import EgressError
from automate_llm import actions, prices
from automate_llm.model_call import DEFAULT_PROVIDER, ModelCaller, find_provider
from automate_llm.providers.base import LLMProviderError
from automate_llm.providers.options import ChatOptions
from automate_llm.registry import providers
from automate_plugins.fields import FieldKind, FieldSpec

_MODEL = FieldSpec(name="model", label="Model", required=True, options="models")
_TEXT = FieldSpec(
    name="text",
    label="What to read",
    kind=FieldKind.JSON,
    required=True,
    help="A text or data, taken as data alone",
    language="text",
)
_INSTRUCTIONS = FieldSpec(name="instructions", label="Further instructions", kind=FieldKind.LONG_TEXT)
_LIMITS = (
    FieldSpec(name="temperature", label="Temperature", kind=FieldKind.NUMBER),
    FieldSpec(
        name="max_tokens",
        label="Longest answer, in tokens",
        kind=FieldKind.INTEGER,
        default=2_000,
        help="Budgets reserve that much",
    ),
)
_ACTIONS = {
    "chat": actions.chat,
    "extract": actions.extract,
    "classify": actions.classify,
    "summarise": actions.summarise,
}


class LLMConnector(ConnectorAdapter):
    """Returns text or a validated document: a model is given no tools and decides nothing else."""

    code = "llm"
    name = "Language model"
    description = "Ask a language model, extract data, classify, summarise"
    icon = "auto_awesome"
    hue = 290
    config_fields = (
        FieldSpec(
            name="provider", label="Provider", default=DEFAULT_PROVIDER, help="openai, anthropic, ollama or a plug-in's"
        ),
        FieldSpec(
            name="base_url",
            label="Base URL",
            kind=FieldKind.URL,
            help="The provider's own unless given: for compatible servers, and for those at home",
        ),
        FieldSpec(name="api_key", label="API key", kind=FieldKind.SECRET),
        FieldSpec(
            name="structured_output",
            label="The server holds answers to a schema",
            kind=FieldKind.BOOLEAN,
            default=True,
            help="Switch it off for servers and models that do not know how: answers are checked here all the same",
        ),
    )
    actions = (
        Action(
            name="chat",
            label="Ask",
            description="Send a prompt and give the model's answer",
            fields=(
                _MODEL,
                FieldSpec(name="system", label="Instructions", kind=FieldKind.LONG_TEXT, shown=True),
                FieldSpec(name="prompt", label="Prompt", kind=FieldKind.LONG_TEXT, required=True),
                FieldSpec(
                    name="data", label="Data", kind=FieldKind.JSON, help="What others wrote, kept apart from the prompt"
                ),
                *_LIMITS,
            ),
        ),
        Action(
            name="extract",
            label="Extract data",
            description="Fill in a JSON document from a text, checked against a schema",
            fields=(
                _MODEL,
                _TEXT,
                FieldSpec(
                    name="schema",
                    label="Output fields",
                    kind=FieldKind.MAPPING,
                    required=True,
                    language="json-schema",
                    help="The fields of the answer. Each one is checked, and later steps can use it.",
                ),
                _INSTRUCTIONS,
                *_LIMITS,
            ),
        ),
        Action(
            name="classify",
            label="Classify",
            description="Choose the one label that fits a text",
            fields=(
                _MODEL,
                _TEXT,
                FieldSpec(name="labels", label="Labels", kind=FieldKind.LIST, required=True),
                _INSTRUCTIONS,
                *_LIMITS,
            ),
        ),
        Action(
            name="summarise",
            label="Summarise",
            description="Shorten a text; a long one is read in pieces",
            fields=(
                _MODEL,
                _TEXT,
                FieldSpec(name="words", label="Length, in words", kind=FieldKind.INTEGER, default=150),
                _INSTRUCTIONS,
                FieldSpec(
                    name="piece_tokens", label="Length of a piece, in tokens", kind=FieldKind.INTEGER, default=6_000
                ),
                FieldSpec(name="max_calls", label="Calls at most", kind=FieldKind.INTEGER, default=10),
                *_LIMITS,
            ),
        ),
    )

    def validate_config(self, config: dict[str, Any]) -> None:
        """Check that the provider is installed. Raises ValueError."""
        name = config.get("provider") or DEFAULT_PROVIDER
        if name not in providers.names():
            raise ValueError(f"there is no provider {name!r}; there is {', '.join(sorted(providers.names()))}")

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
            raise _options_error(connection, "This provider does not list its models.", code="not_offered")
        try:
            found = provider.models(ChatOptions(http=context["http"], connection=connection))
        except (LLMProviderError, EgressError) as error:
            why = f"The models of this connection could not be listed: {error}."
            raise _options_error(connection, why, code=error.code, retryable=error.retryable) from error
        return [(each, each) for each in sorted(found)]

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Run the action with the connection's provider; each output holds `usage`."""
        if action not in _ACTIONS:
            raise ConnectorError(f"llm has no action {action!r}", code="unknown_action")
        defaults = {field.name: field.default for field in self.action(action).fields or ()}
        given = {**defaults, **{name: value for name, value in params.items() if value is not None}}
        return _ACTIONS[action](ModelCaller(given, context), given, context["idempotency_key"])

    def check_connection(self, context: dict[str, Any]) -> str:
        """Request the provider's list of models."""
        connection = context.get("connection") or {}
        provider = find_provider(connection)
        if not provider.can_check:
            raise ConnectorError("this provider cannot be tried without asking a model", code="not_offered")
        try:
            return provider.check(ChatOptions(http=context["http"], connection=connection))
        except LLMProviderError as error:
            raise ConnectorError(str(error), code=error.code, retryable=error.retryable) from error


def _options_error(connection: dict[str, Any], why: str, *, code: str, retryable: bool = False) -> OptionsError:
    """Return the error, with the priced models of the connection's provider as substitutes."""
    provider = f"{connection.get('provider') or DEFAULT_PROVIDER}/"
    known = sorted({*prices.site_prices(), *prices.shipped_prices()})
    names = [each.removeprefix(provider) for each in known if each.startswith(provider)]
    message = f"{why} Shown instead: models with a known price."
    return OptionsError(message, [(each, each) for each in names], code=code, retryable=retryable)
