"""Findings that are no faults, by service: patterns of whole lines (fnmatch), each with its reason."""

from __future__ import annotations

_FIELDS = "the request names the fields with opt_fields"
_FOLLOWED = "the next page is the URL in the answer"
_FUNCTION = "the SDK has no builder for what follows a function; the reference has the example"

KNOWN: dict[str, dict[str, str]] = {
    "asana": {
        "list_*: sample * is not in the answer": _FIELDS,
        "list_changed_tasks: poll * is not in the answer": _FIELDS,
        "search_tasks: limit is not in the query": "common to all lists",
        "create_project: data.team is deprecated": "it works, and workspace takes its place for organizations alone",
    },
    "google_drive": {"share_file: * is readOnly": "it can be set when a permission is created"},
    "hubspot": {"*: associations is required in the body": "the reference creates objects without it"},
    "intercom": {
        "send_message: message_type is inapp*": "the document has both ways of writing it",
        "send_message: sample 'owner' is not in the answer": "the example of the reference has it",
        "list_newest_*: sort.* is not in the body": "the guide to pagination has it",
    },
    "microsoft_excel": {
        "*_row: *rows/itemAt*": _FUNCTION,
        "*range*": _FUNCTION,
        "list_workbooks: *": _FUNCTION,
        "list_columns: sample 'values' is not in the answer": "the SDK has no members for any JSON",
        "drive: sample * is not in the answer": "its address is that of any drive, and of the list of drives",
    },
    "microsoft_outlook": {
        "*body.contentType is HTML, Text*": "the case does not count",
        "download_attachment: *$value is unknown": "the reference has it",
    },
    "microsoft_teams": {
        "list_*: $skiptoken is not in the query": _FOLLOWED,
        "list_members: sample * is not in the answer": "members of the derived type for people",
    },
    "telegram": {"get_updates: allowed_updates is text*": "a list in a query is JSON as text"},
    "trello": {"list_new_cards: * is not in the query": "parameters of nested resources"},
    "xero": {"list_organisations: *connections is unknown": "it is in the document of the identity API"},
}
