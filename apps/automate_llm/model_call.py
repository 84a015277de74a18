"""Model calls of one step: each is checked against budgets, made, and recorded in the ledger."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from automate_connectors.adapters.base import ConnectorError
from automate_egress import EgressError
from automate_llm import prices, tokens
from automate_llm.ledger import Entry, Ledger
from automate_llm.prompts import Message
from automate_llm.providers.base import Capability, LLMProvider, LLMProviderError, TokenUsage
from automate_llm.providers.options import ChatOptions
from automate_llm.registry import providers
from automate_llm.reported_usage import settle_usage
from automate_plugins import text
from automate_plugins.registry import PluginNotFoundError

DEFAULT_PROVIDER = "openai"
MAX_TOKENS = 1_000_000


class ModelCaller:
    """Calls a connection's model for one attempt of a step."""

    def __init__(self, params: dict[str, Any], context: dict[str, Any]) -> None:
        self._context = context
        self._connection: dict[str, Any] = context.get("connection") or {}
        self.provider_name = self._connection.get("provider") or DEFAULT_PROVIDER
        self.provider = find_provider(self._connection)
        self.model: str = params["model"]
        self.max_tokens: int = params["max_tokens"]
        if not 1 <= self.max_tokens <= MAX_TOKENS:
            message = text("%(name)s must be between 1 and %(maximum)s.", name="max_tokens", maximum=MAX_TOKENS)
            raise ConnectorError(message, code="invalid_input")
        self._temperature = params.get("temperature")
        self._seller = prices.seller_of(
            self.provider_name, self.provider.default_base_url, self._connection.get("base_url") or ""
        )
        self._price = prices.find_price(self._seller, self.model)
        self._ledger = Ledger(context)
        self._usages: list[TokenUsage] = []

    @property
    def supports_schema(self) -> bool:
        """Whether the provider can constrain an answer to a schema."""
        has_schemas = Capability.STRUCTURED_OUTPUT in self.provider.capabilities
        return has_schemas and self._connection.get("structured_output") is not False

    def call(self, messages: list[Message], schema: dict[str, Any] | None = None) -> tuple[str, bool]:
        """Return the model's answer, and whether it was cut off at `max_tokens`. Raises ConnectorError, EgressError."""
        if self._context["cancelled"]():
            raise ConnectorError(text("Cancelled."), code="cancelled")
        tokens_in = tokens.count_message_tokens(messages, self.provider.count_tokens)
        entry = self._ledger.reserve(
            provider=self._seller,
            model=self.model,
            price=self._price,
            tokens_in=tokens_in,
            tokens_out=self.max_tokens,
        )
        self._context["log"](text("Asking %(model)s with about %(count)s tokens.", model=self.model, count=tokens_in))
        return self._answer(entry, messages, schema)

    def usage(self) -> dict[str, Any]:
        """Return the usage of all calls, for the step's output. `cost` is null when no price is known."""
        read, written = sum(usage.tokens_in for usage in self._usages), sum(usage.tokens_out for usage in self._usages)
        costs = [self._price.cost_of(each.tokens_in, each.tokens_out) for each in self._usages] if self._price else []
        cost: Decimal | None = sum(costs, Decimal(0)) if self._price else None
        return {
            "provider": self._seller,
            "model": self.model,
            "calls": len(self._usages),
            "tokens_in": read,
            "tokens_out": written,
            "cost": None if cost is None else float(cost),
            "currency": prices.CURRENCY,
        }

    def _answer(self, entry: Entry, messages: list[Message], schema: dict[str, Any] | None) -> tuple[str, bool]:
        reported: list[TokenUsage] = []
        try:
            answer = self.provider.chat(messages, self._options(schema, reported))
        except LLMProviderError as error:
            self._failed(entry, reported, is_refused=error.refused)
            raise ConnectorError(
                str(error),
                code=error.code,
                retryable=error.retryable,
                retry_after=error.retry_after,
                details=error.details,
            ) from error
        except EgressError as error:
            self._failed(entry, reported, is_refused=not error.sent)
            raise
        except Exception:
            self._failed(entry, reported, is_refused=False)
            raise
        return answer, self._settle(entry, reported, answer).cut_off

    def _settle(self, entry: Entry, reported: list[TokenUsage], answer: str) -> TokenUsage:
        counted = TokenUsage(tokens_in=entry.tokens_in, tokens_out=self.provider.count_tokens(answer))
        settled = settle_usage(reported, counted, max_tokens=self.max_tokens)
        if settled.is_capped:
            self._context["log"](
                text(
                    "%(provider)s reported more tokens than the call can have taken. The most that is possible counts.",
                    provider=self._seller,
                ),
                "warning",
            )
        self._ledger.record_answer(entry, settled)
        self._usages.append(settled.usage)
        return settled.usage

    def _options(self, schema: dict[str, Any] | None, reported: list[TokenUsage]) -> ChatOptions:
        capabilities = self.provider.capabilities
        options = ChatOptions(
            model=self.model,
            temperature=self._temperature,
            max_tokens=self.max_tokens,
            http=self._context["http"],
            connection=self._connection,
            log=self._context["log"],
        )
        if schema is not None and self.supports_schema:
            options["schema"] = schema
        if Capability.USAGE in capabilities:
            options["on_usage"] = reported.append
        if Capability.CANCELLATION in capabilities:
            options["cancelled"] = self._context["cancelled"]
        return options

    def _failed(self, entry: Entry, reported: list[TokenUsage], *, is_refused: bool) -> None:
        if reported:  # it answered, if with nothing that can be used
            self._settle(entry, reported, "")
        elif is_refused:
            self._ledger.record_refusal(entry)
        else:
            self._ledger.record_unknown(entry)


def find_provider(connection: dict[str, Any]) -> LLMProvider:
    """Return the provider of a connection. Raises ConnectorError (`provider_not_found`)."""
    try:
        return providers.get(connection.get("provider") or DEFAULT_PROVIDER)
    except PluginNotFoundError as error:
        name = connection.get("provider") or DEFAULT_PROVIDER
        message = text(
            "Unknown provider %(name)s. Installed providers: %(known)s.",
            name=repr(name),
            known=", ".join(sorted(providers.names())),
        )
        raise ConnectorError(message, code="provider_not_found") from error
