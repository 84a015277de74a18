"""LLM connector: to the engine, a language model is one more thing that an action calls."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_llm.providers.base import LLMProviderError
from automate_llm.registry import providers
from automate_plugins.fields import FieldKind, FieldSpec
from automate_plugins.registry import PluginNotFoundError


class LLMConnector(ConnectorAdapter):
    """`chat` asks a model one thing and gives its text."""

    code = "llm"
    name = "Language model"
    description = "Ask a language model"
    icon = "auto_awesome"
    hue = 290
    config_fields = (
        FieldSpec(name="provider", label="Provider", default="openai"),
        FieldSpec(
            name="base_url", label="Base URL", kind=FieldKind.URL, help="For servers that are compatible with OpenAI's"
        ),
        FieldSpec(name="api_key", label="API key", kind=FieldKind.SECRET),
    )
    actions = (
        Action(
            name="chat",
            label="Ask",
            description="Send a prompt and give the model's answer",
            effect=Effect.EFFECTFUL,
            fields=(
                FieldSpec(name="model", label="Model", required=True),
                FieldSpec(name="system", label="Instructions", kind=FieldKind.LONG_TEXT),
                FieldSpec(name="prompt", label="Prompt", kind=FieldKind.LONG_TEXT, required=True),
                FieldSpec(name="temperature", label="Temperature", kind=FieldKind.NUMBER),
                FieldSpec(name="max_tokens", label="Longest answer, in tokens", kind=FieldKind.INTEGER),
            ),
        ),
    )

    def execute(self, action: str, params: dict[str, Any], context: dict[str, Any]) -> Any:
        """Ask the connection's provider; the output is `text` and the estimated `tokens` of prompt and answer."""
        connection = context.get("connection") or {}
        try:
            provider = providers.get(connection.get("provider") or "openai")
        except PluginNotFoundError as error:
            raise ConnectorError(str(error), code="provider_not_found") from error
        messages = [{"role": "system", "content": params["system"]}] if params.get("system") else []
        messages.append({"role": "user", "content": params["prompt"]})
        options = {
            "model": params["model"],
            "temperature": params.get("temperature"),
            "max_tokens": params.get("max_tokens"),
            "http": context["http"],
            "connection": connection,
        }
        try:
            text = provider.chat(messages, options)
        except LLMProviderError as error:
            raise ConnectorError(
                str(error), code=error.code, retryable=error.retryable, retry_after=error.retry_after
            ) from error
        asked = "\n".join(message["content"] for message in messages)
        return {"text": text, "tokens": {"prompt": provider.count_tokens(asked), "answer": provider.count_tokens(text)}}
