"""The codes of problems and of their fields. They are stable: programs compare them, people read the sentences.

docs/api.md lists them.
"""

from __future__ import annotations

#: The code of a problem that has no narrower one, by its status.
BY_STATUS = {
    400: "invalid_request",
    401: "invalid_token",
    403: "not_permitted",
    404: "not_found",
    405: "method_not_allowed",
    408: "request_timeout",
    409: "conflict",
    410: "file_deleted",
    412: "draft_changed",
    413: "too_large",
    415: "unsupported_media_type",
    416: "no_such_range",
    422: "invalid_fields",
    428: "if_match_required",
    429: "rate_limited",
    500: "server_error",
    503: "unavailable",
}
#: Narrower codes of problems.
NARROWER = frozenset(
    {
        "already_decided",
        "already_ended",
        "already_rerun",
        "draft_incomplete",
        "has_runs",
        "idempotency_in_progress",
        "idempotency_key_invalid",
        "idempotency_key_reused",
        "in_use",
        "invalid_definition",
        "invalid_inputs",
        "invalid_json",
        "key_unavailable",
        "missing_actions",
        "missing_scope",
        "no_such_path",
        "no_waiting_step",
        "not_delegable",
        "not_startable",
        "not_testable",
        "nothing_to_do",
        "query_timeout",
        "run_not_taken",
        "secret_shown_once",
        "several_waiting_steps",
        "taken",
        "too_many_streams",
        "unknown_event_type",
        "unknown_outcome",
        "unknown_scope",
        "weak_etag",
        "wrong_run_state",
        "wrong_workflow_state",
    }
)
CODES = frozenset({*BY_STATUS.values(), *NARROWER})
#: The codes in `errors`. What has no narrower one is `invalid`.
FIELD_CODES = frozenset(
    {"bad_format", "invalid", "not_a_choice", "out_of_range", "required", "taken", "too_long", "too_short", "unknown"}
    | {"wrong_type"}
)


def code_of_status(status: int) -> str:
    """The code of a problem that has no narrower one."""
    return BY_STATUS.get(status, "invalid_request" if status < 500 else "server_error")
