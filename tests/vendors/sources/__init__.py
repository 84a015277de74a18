"""The vendors' descriptions, each made from files of the folder that `AUTOMATE_VENDOR_DOCUMENTS` names.

| in the folder | from |
|---|---|
| `documents` | OpenAPI documents of the vendors' repositories, under the names in `SOURCES` |
| `node_modules` | `npm install --ignore-scripts --prefix FOLDER @octokit/openapi @notionhq/client jira.js trello.js` |
| `python` | `pip install --no-deps --target FOLDER/python google-api-python-client slack_sdk msgraph-sdk` |

`documents/linear.graphql` is the schema of linear/linear. Airtable, Freshdesk, QuickBooks, Salesforce, Shopify and Zendesk
publish no such file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from tests.vendors.descriptions import Description
from tests.vendors.sources import google, graph, javascript, slack, telegram

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Source:
    """Files of a service, below the folder, and what makes a description of each."""

    files: tuple[str, ...]
    read: Callable[[Path], Description]

    def missing(self, folder: Path) -> str:
        """Return the first file that is not there; "" where all are."""
        return next((name for name in self.files if not (folder / name).exists()), "")

    def load(self, folder: Path) -> list[Description]:
        """Return the descriptions."""
        return [self.read(folder / name) for name in self.files]


def read_document(path: Path, prefix: str = "") -> Description:
    """Read an OpenAPI document; `prefix` precedes its paths in addresses."""
    written = path.read_text(encoding="utf-8").replace("/objects/0-3", "/objects/deals")  # HubSpot's number of deals
    value: Any = json.loads(written) if path.suffix == ".json" else yaml.load(written, _LOADER)  # noqa: S506 - safe
    return Description(value, prefix)


def _documents(*names: str, prefix: str = "") -> Source:
    return Source(tuple(f"documents/{name}" for name in names), partial(read_document, prefix=prefix))


def _discovery(*names: str) -> Source:
    folder = "python/googleapiclient/discovery_cache/documents"
    return Source(tuple(f"{folder}/{name}.json" for name in names), google.read_discovery)


def _graph(*roots: str) -> Source:
    return Source(("python/msgraph/generated",), partial(graph.read_sdk, roots=roots))


SOURCES = {
    "asana": _documents("asana_oas.yaml", prefix="/api/1.0"),
    "discord": _documents("discord.json", prefix="/api/v10"),
    "discord_webhook": _documents("discord.json", prefix="/api/v10"),
    "github": Source(("node_modules/@octokit/openapi/generated/api.github.com.json",), read_document),
    "gmail": _discovery("gmail.v1"),
    "google_calendar": _discovery("calendar.v3"),
    "google_docs": _discovery("docs.v1", "oauth2.v2"),
    "google_drive": _discovery("drive.v3"),
    "google_sheets": _discovery("sheets.v4", "oauth2.v2"),
    "hubspot": _documents(
        *(f"hubspot/{name}.json" for name in ("contacts", "companies", "deals", "tickets", "notes", "associations", "crmOwners", "pipelines")),
        "hubspot/accountInfo.json",
    ),
    "intercom": _documents("intercom.yaml"),
    "jira": Source(("node_modules/jira.js/src/version2",), javascript.read_requests),
    "microsoft_calendar": _graph("users/item"),
    "microsoft_excel": _graph("drives"),
    "microsoft_outlook": _graph("users/item"),
    "microsoft_teams": _graph("users/item", "teams", "chats"),
    "notion": Source(("node_modules/@notionhq/client/build/src/api-endpoints",), javascript.read_endpoints),
    "sendgrid": _documents(
        *(f"sendgrid/tsg_{name}_v3.json" for name in ("mail", "mc_contacts", "mc_lists", "suppressions", "templates", "scopes"))
    ),
    "slack": Source(("python/slack_sdk/web/client.py",), slack.read_client),
    "stripe": _documents("stripe.json"),
    "telegram": Source(("documents/telegram.json",), telegram.read_page),
    "trello": Source(("node_modules/trello.js/src/api",), partial(javascript.read_requests, prefix="/1", takes_body=True)),
    "twilio": _documents(
        *(f"twilio/twilio_{name}.json" for name in ("api_v2010", "verify_v2", "lookups_v2", "messaging_v1"))
    ),
    "xero": _documents("xero_accounting.yaml", prefix="/api.xro/2.0"),
}  # fmt: skip
