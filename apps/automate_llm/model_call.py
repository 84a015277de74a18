"""Asking: one step's calls of a model, each checked against budgets, made, and written to the ledger."""

from __future__ import annotations

from collections.abc import Iterable
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
from automate_plugins.registry import PluginNotFoundError

DEFAULT_PROVIDER = "openai"
MAX_TOKENS = 1_000_000


class Asking:
    """A connection's provider and a model, asked on behalf of one attempt of a step."""

    def __init__(self, params: dict[str, Any], context: dict[str, Any]) -> None:
        self._context = context
        self._connection: dict[str, Any] = context.get("connection") or {}
        self.provider_name = self._connection.get("provider") or DEFAULT_PROVIDER
        self.provider = provider_of(self._connection)
        self.model: str = params["model"]
        self.max_tokens: int = params["max_tokens"]
        if not 1 <= self.max_tokens <= MAX_TOKENS:
            raise ConnectorError(f"max_tokens is from 1 to {MAX_TOKENS:,}", code="invalid_input")
        self._temperature = params.get("temperature")
        self._seller = prices.seller(
            self.provider_name, self.provider.default_base_url, self._connection.get("base_url") or ""
        )
        self._price = prices.price(self._seller, self.model)
        self._ledger = Ledger(context)
        self._took: list[TokenUsage] = []

    @property
    def constrains(self) -> bool:
        """Whether the provider itself can hold an answer to a schema."""
        can = Capability.STRUCTURED_OUTPUT in self.provider.capabilities
        return can and self._connection.get("structured_output") is not False

    def ask(self, messages: list[Message], schema: dict[str, Any] | None = None) -> tuple[str, bool]:
        """The model's answer, and whether it was cut off at `max_tokens`. Raises ConnectorError, EgressError."""
        if self._context["cancelled"]():
            raise ConnectorError("cancelled", code="cancelled")
        asked = tokens.of_messages(messages, self.provider.count_tokens)
        entry = self._ledger.reserve(
            provider=self._seller,
            model=self.model,
            price=self._price,
            tokens_in=asked,
            tokens_out=self.max_tokens,
        )
        self._context["log"](f"Asking {self.model}: about {asked:,} tokens")
        return self._answer(entry, messages, schema)

    def usage(self) -> dict[str, Any]:
        """What the calls took, for the step's output. `cost` is null when no price is known."""
        read, written = sum(took.tokens_in for took in self._took), sum(took.tokens_out for took in self._took)
        cost: Decimal | None = self._price.of(read, written) if self._price else None
        return {
            "provider": self._seller,
            "model": self.model,
            "calls": len(self._took),
            "tokens_in": read,
            "tokens_out": written,
            "cost": None if cost is None else float(cost),
            "currency": prices.CURRENCY,
        }

    def _answer(self, entry: Entry, messages: list[Message], schema: dict[str, Any] | None) -> tuple[str, bool]:
        reported: list[TokenUsage] = []
        try:
            text = self.provider.chat(messages, self._options(schema, reported))
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
        counted = TokenUsage(tokens_in=entry.tokens_in, tokens_out=self.provider.count_tokens(text))
        took = reported[0] if reported else counted
        self._took.append(took)
        self._ledger.answered(entry, took, is_estimated=not reported)
        return text, took.cut_off

    def _options(self, schema: dict[str, Any] | None, reported: list[TokenUsage]) -> ChatOptions:
        can = self.provider.capabilities
        options = ChatOptions(
            model=self.model,
            temperature=self._temperature,
            max_tokens=self.max_tokens,
            http=self._context["http"],
            connection=self._connection,
        )
        if schema is not None and self.constrains:
            options["schema"] = schema
        if Capability.USAGE in can:
            options["on_usage"] = reported.append
        if Capability.CANCELLATION in can:
            options["cancelled"] = self._context["cancelled"]
        return options

    def _failed(self, entry: Entry, reported: Iterable[TokenUsage], *, is_refused: bool) -> None:
        for took in reported:  # it answered, if with nothing that can be used
            self._ledger.answered(entry, took, is_estimated=False)
            return
        if is_refused:
            self._ledger.refused(entry)
        else:
            self._ledger.in_doubt(entry)


def provider_of(connection: dict[str, Any]) -> LLMProvider:
    """The provider that a connection names. Raises ConnectorError (`provider_not_found`)."""
    try:
        return providers.get(connection.get("provider") or DEFAULT_PROVIDER)
    except PluginNotFoundError as error:
        raise ConnectorError(str(error), code="provider_not_found") from error
