"""One call of a plug-in: validated inputs in, a JSON document or a ConnectorError out, whatever the adapter does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError
from automate_connectors.bounds.output_size import MAX_OUTPUT_BYTES as MAX_OUTPUT_BYTES
from automate_connectors.bounds.output_size import OutputSize, output_too_large
from automate_connectors.context import Context
from automate_egress import EgressError
from automate_governance.secrets.interfaces import SecretNotFoundError
from automate_plugins import text
from automate_plugins.fields import FieldSpec, problems
from automate_plugins.texts import Text, joined, plain


def invoke(adapter: ConnectorAdapter, action: Action, params: dict[str, Any], context: dict[str, Any]) -> bytes:
    """Run `action` and return its output as a JSON document. Raises ConnectorError only."""
    params = check_params(action.fields, params)
    output = translate_errors(lambda: adapter.execute(action.name, params, _context(action, context)))
    return encode_output(output, OutputSize())


def describe_call(
    adapter: ConnectorAdapter, action: Action, params: dict[str, Any], context: dict[str, Any]
) -> dict[str, Any]:
    """Return what `action` would do, as a mapping of JSON values with a `summary`. Raises ConnectorError only."""
    params = check_params(action.fields, params)
    found = translate_errors(lambda: adapter.describe(action.name, params, _context(action, context)))
    described: dict[str, Any] = msgspec.json.decode(encode_output(found))
    if not isinstance(described, dict):
        message = text("The connector %(connector)s must describe a call as a mapping.", connector=adapter.code)
        raise ConnectorError(message, code="invalid_output")
    if isinstance(found.get("summary"), Text):
        described["summary"] = found["summary"]
    return described


def check_connection(adapter: ConnectorAdapter, context: dict[str, Any]) -> str:
    """Test the connection in `context` and return a message for people. Raises ConnectorError only."""
    return str(translate_errors(lambda: adapter.check_connection(Context(context))))


def list_options(
    adapter: ConnectorAdapter, name: str, params: dict[str, Any], context: dict[str, Any]
) -> list[tuple[str, str]]:
    """Return a field's options as (value, label). Raises ConnectorError only."""
    given = Context(context)
    found = translate_errors(
        lambda: [(str(value), str(label)) for value, label in adapter.options(name, params, given)]
    )
    return list(found)


def _context(action: Action, context: dict[str, Any]) -> Context:
    return Context({**context, "version": action.version})


def translate_errors[T](call: Callable[[], T]) -> T:
    """Call a plug-in. Raises ConnectorError only, whatever it raises."""
    try:
        return call()
    except ConnectorError:
        raise
    except EgressError as error:
        raise from_egress(error) from error
    except SecretNotFoundError as error:
        raise ConnectorError(str(error), code="secret_not_found") from error
    except (Exception, SystemExit) as error:  # a plug-in that exits does not take its worker with it
        raise ConnectorError(
            f"{type(error).__name__}: {error}", code="unexpected_error", details={"exception": type(error).__name__}
        ) from error


def from_egress(error: EgressError) -> ConnectorError:
    """Return the error of a request without a usable response. `details["sent"]` is False when it was never sent."""
    details = {} if error.sent else {"sent": False}
    return ConnectorError(str(error), code=error.code, retryable=error.retryable, details=details)


def encode_output(output: Any, size: OutputSize | None = None) -> bytes:
    """Encode `output` as JSON. Raises ConnectorError (`invalid_output`, `output_too_large`).

    What a plug-in returns is counted in `size` first: encoded, it may be much larger than in memory.
    """
    try:
        if size is not None:
            size.add(output)
        document = msgspec.json.encode(output, enc_hook=plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConnectorError(
            text("The output is not valid JSON: %(reason)s", reason=str(error)), code="invalid_output"
        ) from error
    if len(document) > MAX_OUTPUT_BYTES:
        raise output_too_large()
    # PostgreSQL's jsonb has no NUL character.
    return document.replace(b"\\u0000", b"\\ufffd") if b"\\u0000" in document else document


def check_params(fields: tuple[FieldSpec, ...] | None, params: dict[str, Any]) -> dict[str, Any]:
    """Return the params with their defaults. Raises ConnectorError for invalid ones; `fields` None takes any."""
    params = _with_defaults(fields or (), params)
    if fields is not None and (found := problems(fields, params)):
        raise ConnectorError(joined(found), code="invalid_input")
    return params


def _with_defaults(fields: tuple[FieldSpec, ...], params: dict[str, Any]) -> dict[str, Any]:
    """Return the params coerced to their fields' types, with the defaults of those that are missing."""
    defaults = {field.name: field.default for field in fields if field.default is not None}
    given = {name: value for name, value in params.items() if value is not None or name not in defaults}
    return {
        **defaults,
        **given,
        **{field.name: field.taken(given[field.name]) for field in fields if field.name in given},
    }
