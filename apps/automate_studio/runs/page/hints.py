"""Hints for step errors by code: values in, values out.

The message says what went wrong; the hint says how to fix it, and where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from automate_plugins import text

type Where = Literal["", "connection", "step", "usage"]


@dataclass(frozen=True)
class ErrorHint:
    """`text` is translated when it is shown. `where` names the page for the fix: the step's connection, the step in the
    builder, the model usage.
    """

    text: str
    where: Where = ""


_IN_DOUBT = text("The service may have acted. Check there first: a re-run may repeat the effect.")
_MESSAGE = text("Fix the cause in the message, then re-run from this step.")
_LATER = text("This error is often temporary. Re-run from this step, or allow the step more attempts.")
_INPUTS = text("Check the Input tab, fix the step's inputs, then re-run from this step with the latest version.")
_CREDENTIALS = text("Test the connection and fix its credentials, then re-run from this step.")
_NO_CREDENTIALS = text(
    "The service requires credentials. Choose a connection in the step, then re-run with the latest version."
)
_CONNECTION = text("Choose another connection in the step, or fix this one, then re-run from this step.")
_RESPONSE = text("The service returned an unexpected response. Check the details, then adjust the step.")
_PLUGIN = text("Ask an administrator to install the plug-in, then re-run from this step.")
_PEOPLE = text("Choose people with an active account, then re-run from this step.")
_ADMIN = text(
    "Ask an administrator to check the server log. A step that was in progress may have acted: a re-run may repeat its"
    " effect."
)
_RUN_AS = text(
    "The account that the workflow runs as lacks a permission. Grant the permission, or choose another account."
)
_RATE = text("Too many requests. Re-run later, or limit how many runs are active at once.")
_SMALLER = text("The result is too large to store. Request less data, for example one page at a time.")
_SHORTER = text("Send the model less text, or choose a model with a larger context.")

_HINTS: dict[str, ErrorHint] = {
    "authentication_failed": ErrorHint(_CREDENTIALS, "connection"),
    "http_401": ErrorHint(_CREDENTIALS, "connection"),
    "needs_reconnect": ErrorHint(
        text("Reconnect the connection on its page. Waiting steps then continue automatically."), "connection"
    ),
    "http_403": ErrorHint(
        text("The credentials are valid but lack a permission. Grant the permission, or use another connection."),
        "connection",
    ),
    "forbidden": ErrorHint(_RUN_AS, "step"),
    "not_permitted": ErrorHint(_RUN_AS, "step"),
    "http_404": ErrorHint(text("The URL was not found. Check the URL and its IDs in the Input tab."), "step"),
    "http_408": ErrorHint(_IN_DOUBT),
    "http_502": ErrorHint(_IN_DOUBT),
    "http_504": ErrorHint(_IN_DOUBT),
    "performer_lost": ErrorHint(_IN_DOUBT),
    "http_409": ErrorHint(text("The object already exists or has changed. Look it up in an earlier step."), "step"),
    "http_422": ErrorHint(_INPUTS, "step"),
    "http_429": ErrorHint(_RATE, "step"),
    "rate_limited": ErrorHint(_RATE, "step"),
    "timeout": ErrorHint(
        text(
            "The step exceeded its timeout, but the service may have acted. Check there first: a re-run may repeat the"
            " effect. If it needs longer, increase the timeout."
        ),
        "step",
    ),
    "timed_out": ErrorHint(
        text("No one responded in time. Re-run from this step to ask again, or add steps for this case."), "step"
    ),
    "connection_failed": ErrorHint(
        text(
            "The connection to the service broke off, and the service may have acted. Check there first: a re-run may"
            " repeat the effect."
        )
    ),
    "egress_blocked": ErrorHint(_MESSAGE),
    "response_too_large": ErrorHint(
        text("The response is too large to store. Request less data, for example one page at a time."), "step"
    ),
    "output_too_large": ErrorHint(_SMALLER, "step"),
    "template_error": ErrorHint(
        text("An expression uses a value that does not exist. Fix the expression or add a default."), "step"
    ),
    "render_unavailable": ErrorHint(_LATER),
    "condition_error": ErrorHint(text("The condition is too expensive to evaluate. Simplify the condition."), "step"),
    "invalid_input": ErrorHint(_INPUTS, "step"),
    "missing_field": ErrorHint(_INPUTS, "step"),
    "invalid_time": ErrorHint(text("Enter a time such as 2026-12-24T08:00, or a duration such as 2h."), "step"),
    "invalid_answer": ErrorHint(_RESPONSE, "step"),
    "invalid_output": ErrorHint(_RESPONSE, "step"),
    "not_a_list": ErrorHint(text("Choose a list for the loop."), "step"),
    "too_many_items": ErrorHint(text("Filter the list before the loop, or split the work into several runs."), "step"),
    "not_reached": ErrorHint(text("Allow more repetitions, or check that the values in the condition change."), "step"),
    "connection_not_usable": ErrorHint(_CONNECTION, "connection"),
    "invalid_connection": ErrorHint(_CONNECTION, "connection"),
    "no_connection": ErrorHint(text("Choose a connection in the step, then re-run with the latest version."), "step"),
    "secret_not_found": ErrorHint(
        text("The connection refers to a missing secret. Add the secret, then re-run."), "connection"
    ),
    "secret_unavailable": ErrorHint(
        text("The secret cannot be read. Check the secrets backend, then re-run."), "connection"
    ),
    "connector_not_found": ErrorHint(_PLUGIN),
    "unknown_action": ErrorHint(_PLUGIN),
    "provider_not_found": ErrorHint(_PLUGIN),
    "not_installed": ErrorHint(_PLUGIN),
    "nobody_to_ask": ErrorHint(_PEOPLE, "step"),
    "too_many_people": ErrorHint(text("Choose fewer approvers, then re-run from this step."), "step"),
    "budget_exceeded": ErrorHint(
        text("The model budget is used up. Raise the budget, or wait until it resets."), "usage"
    ),
    "price_unknown": ErrorHint(
        text("A cost budget requires a price for this model. Add a price, or set a token budget."), "usage"
    ),
    "schema_not_met": ErrorHint(text("Clarify the prompt or the schema, or allow another attempt."), "step"),
    "answer_cut_off": ErrorHint(text("Allow a longer response, or ask for a shorter one."), "step"),
    "model_refused": ErrorHint(text("The model refused. Rephrase the prompt, or choose another model."), "step"),
    "quota_exhausted": ErrorHint(
        text("The provider account has no credit left. Add credit, then re-run from this step.")
    ),
    "context_too_long": ErrorHint(_SHORTER, "step"),
    "model_not_found": ErrorHint(
        text("Choose a model that the provider offers, or fix the connection's URL."), "connection"
    ),
    "structured_output_refused": ErrorHint(text("Turn off structured output in the connection."), "connection"),
    "input_too_long": ErrorHint(_SHORTER, "step"),
    "database_away": ErrorHint(_LATER),
    "database_error": ErrorHint(
        text("The database rejected the query; the message says why. Fix the step's inputs."), "step"
    ),
    "workflow_failed": ErrorHint(
        text("Open the sub-run and fix its failure. A re-run from this step starts the sub-run from its beginning.")
    ),
    "too_deep": ErrorHint(text("These workflows call each other in a loop. Remove one of the calls."), "step"),
    "did_not_happen": ErrorHint(text("Re-run from this step to perform the action.")),
    "stopped": ErrorHint(
        text("A stop step ended the run on purpose. Re-run with another input, or change the workflow."), "step"
    ),
    "broken_definition": ErrorHint(text("This version cannot be read. Re-run with the latest version.")),
    "not_storable": ErrorHint(
        text("The result contains characters that cannot be stored, such as NUL. Remove them first."), "step"
    ),
    "internal_error": ErrorHint(_ADMIN),
    "unexpected_error": ErrorHint(
        text(
            "The connector failed unexpectedly, and the service may have acted. Ask an administrator to check the"
            " server log. A re-run may repeat the effect."
        )
    ),
    "job_dead": ErrorHint(_ADMIN),
}


_NOT_REACHED = ErrorHint(text("The service cannot be reached. Check the URL and that the service is up, then re-run."))


def error_hint(error: Mapping[str, Any], *, connected: bool = True) -> ErrorHint:
    """Hint for an error; `connected` says whether the step has a working connection."""
    code = str(error.get("code", ""))
    if code == "http_401" and not connected:
        return ErrorHint(_NO_CREDENTIALS, "step")
    if code == "connection_failed" and not was_sent(error):
        return _NOT_REACHED
    known = _HINTS.get(code)
    if known is not None:
        return known
    if error.get("retryable") or code.startswith("http_5"):
        return ErrorHint(_LATER)
    if code.startswith("http_4"):
        return ErrorHint(_INPUTS, "step")
    return ErrorHint(_MESSAGE)


def was_sent(error: Mapping[str, Any]) -> bool:
    """Whether the other side may have received the request."""
    details = error.get("details")
    return not (isinstance(details, dict) and details.get("sent") is False)


def external_request_id(error: Mapping[str, Any]) -> str:
    """Request id of the external system, for its support; empty when it sent none."""
    details = error.get("details")
    found = details.get("request_id") if isinstance(details, dict) else None
    return found[:200] if isinstance(found, str) else ""
