"""Hints for step errors by code: values in, values out.

The message says what went wrong; the hint says how to fix it, and where.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

type Where = Literal["", "connection", "step", "usage"]


@dataclass(frozen=True)
class ErrorHint:
    """`where` names the page for the fix: the step's connection, the step in the builder, the model usage."""

    text: str
    where: Where = ""


_LATER = "This often passes by itself. Re-run from this step, or give the step more tries."
_INPUTS = "Look at the Input tab and mend the step's inputs, then re-run from this step on the newest version."
_CREDENTIALS = "Test the connection and mend its credentials, then re-run from this step."
_NO_CREDENTIALS = "It asks for credentials: choose a connection in the step, then re-run on the newest version."
_CONNECTION = "Choose another connection in the step, or mend this one, then re-run from this step."
_ANSWER = "The other side answered otherwise than expected: look at the details, and adjust the step."
_PLUGIN = "Ask an administrator to install the plug-in, then re-run from this step."
_PEOPLE = "Name people who exist and are active, then re-run from this step."
_ADMIN = "Ask an administrator: the server's log says more. Then re-run from this step."

_HINTS: dict[str, ErrorHint] = {
    "authentication_failed": ErrorHint(_CREDENTIALS, "connection"),
    "http_401": ErrorHint(_CREDENTIALS, "connection"),
    "needs_reconnect": ErrorHint(
        "Sign in again on the connection's page; what waits for it goes on by itself.", "connection"
    ),
    "http_403": ErrorHint(
        "The credentials are let in but may not do this: give them the right, or use another connection.", "connection"
    ),
    "forbidden": ErrorHint("Whoever the workflow runs as may not do this: grant it, or change who it runs as.", "step"),
    "not_permitted": ErrorHint(
        "Whoever the workflow runs as may not do this: grant it, or change who it runs as.", "step"
    ),
    "http_404": ErrorHint("Nothing is at that address: check it and the ids in it in the Input tab.", "step"),
    "http_408": ErrorHint(_LATER),
    "http_409": ErrorHint("It is there already, or was changed meanwhile. Look it up in an earlier step.", "step"),
    "http_422": ErrorHint(_INPUTS, "step"),
    "http_429": ErrorHint("Too many requests at once. Re-run later, or limit how many runs go on at a time.", "step"),
    "rate_limited": ErrorHint(
        "Too many requests at once. Re-run later, or limit how many runs go on at a time.", "step"
    ),
    "timeout": ErrorHint("It took longer than it may. Re-run from this step, or give the step more time.", "step"),
    "timed_out": ErrorHint(
        "Nobody answered in time. Re-run from this step to ask again, or add steps for that case.", "step"
    ),
    "connection_failed": ErrorHint(
        "The other side cannot be reached: check the address and that it is up, then re-run."
    ),
    "egress_blocked": ErrorHint(
        "Calls to that address are not allowed from here: ask an administrator to allow the host."
    ),
    "response_too_large": ErrorHint(
        "The answer is too large to be kept: ask for less of it, such as a page at a time.", "step"
    ),
    "output_too_large": ErrorHint(
        "The result is too large to be kept: ask for less of it, such as a page at a time.", "step"
    ),
    "template_error": ErrorHint(
        "An expression names something that was not there: mend it or give it a default.", "step"
    ),
    "render_unavailable": ErrorHint(_LATER),
    "condition_error": ErrorHint("Make the condition simpler: deciding it took too much.", "step"),
    "invalid_input": ErrorHint(_INPUTS, "step"),
    "missing_field": ErrorHint(_INPUTS, "step"),
    "invalid_time": ErrorHint("Write a time such as 2026-12-24T08:00, or a span such as 2h.", "step"),
    "invalid_answer": ErrorHint(_ANSWER, "step"),
    "invalid_output": ErrorHint(_ANSWER, "step"),
    "not_a_list": ErrorHint("Choose a list for the loop to go through.", "step"),
    "too_many_items": ErrorHint("Filter the list before the loop, or split the work over several runs.", "step"),
    "not_reached": ErrorHint("Allow more turns, or check that what the condition looks at changes.", "step"),
    "connection_not_usable": ErrorHint(_CONNECTION, "connection"),
    "invalid_connection": ErrorHint(_CONNECTION, "connection"),
    "no_connection": ErrorHint("Choose a connection in the step, then re-run on the newest version.", "step"),
    "secret_not_found": ErrorHint(
        "The connection names a secret that is not there: store it, then re-run.", "connection"
    ),
    "secret_unavailable": ErrorHint(
        "The secret could not be read. Check the secrets backend, then re-run.", "connection"
    ),
    "connector_not_found": ErrorHint(_PLUGIN),
    "unknown_action": ErrorHint(_PLUGIN),
    "provider_not_found": ErrorHint(_PLUGIN),
    "not_installed": ErrorHint(_PLUGIN),
    "nobody_to_ask": ErrorHint(_PEOPLE, "step"),
    "too_many_people": ErrorHint(_PEOPLE, "step"),
    "budget_exceeded": ErrorHint("The budget for models is used up: raise it, or wait until it begins anew.", "usage"),
    "price_unknown": ErrorHint(
        "A budget in money needs a price for this model: add one, or set a budget in tokens.", "usage"
    ),
    "schema_not_met": ErrorHint("Make the prompt or the schema clearer, or allow another try.", "step"),
    "answer_cut_off": ErrorHint("Allow a longer answer, or ask for a shorter one.", "step"),
    "model_refused": ErrorHint("The model declined: word the prompt otherwise, or use another model.", "step"),
    "quota_exhausted": ErrorHint("The provider's account has no credit left: top it up, then re-run from this step."),
    "context_too_long": ErrorHint("Send the model less text, or use one that reads more.", "step"),
    "model_not_found": ErrorHint(
        "Choose a model that the provider offers, or mend the connection's address.", "connection"
    ),
    "structured_output_refused": ErrorHint("Switch answers by schema off in the connection.", "connection"),
    "input_too_long": ErrorHint("Send the model less text, or use one that reads more.", "step"),
    "database_away": ErrorHint(_LATER),
    "database_error": ErrorHint("The database refused it: the message says why. Mend the step's inputs.", "step"),
    "workflow_failed": ErrorHint("Open the run that it started, mend what failed there, then re-run from this step."),
    "too_deep": ErrorHint("Workflows call each other in a circle: break it.", "step"),
    "did_not_happen": ErrorHint("Re-run from this step when it is to be done after all."),
    "stopped": ErrorHint(
        "A stop step ended the run on purpose. Re-run with another input, or change the workflow.", "step"
    ),
    "broken_definition": ErrorHint("This version can no longer be read: re-run on the newest version."),
    "not_storable": ErrorHint(
        "The result holds what cannot be stored, such as a NUL character: clean it first.", "step"
    ),
    "internal_error": ErrorHint(_ADMIN),
    "unexpected_error": ErrorHint("The connector failed in a way that it does not explain. " + _ADMIN),
    "job_dead": ErrorHint(_ADMIN),
}


def error_hint(error: Mapping[str, Any], *, connected: bool = True) -> ErrorHint:
    """Hint for an error; `connected` says whether the step has a working connection."""
    code = str(error.get("code", ""))
    if code == "http_401" and not connected:
        return ErrorHint(_NO_CREDENTIALS, "step")
    known = _HINTS.get(code)
    if known is not None:
        return known
    if error.get("retryable") or code.startswith("http_5"):
        return ErrorHint(_LATER)
    if code.startswith("http_4"):
        return ErrorHint(_INPUTS, "step")
    return ErrorHint("Mend what the message names, then re-run from this step.")


def external_request_id(error: Mapping[str, Any]) -> str:
    """Request id of the external system, for its support; empty when it sent none."""
    details = error.get("details")
    found = details.get("request_id") if isinstance(details, dict) else None
    return found[:200] if isinstance(found, str) else ""
