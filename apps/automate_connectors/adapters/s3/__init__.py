"""S3 connector: objects of Amazon S3 and of services with the same interface, such as MinIO, R2 and Backblaze B2."""

from __future__ import annotations

import datetime as dt
import time
from pathlib import Path
from typing import Any

from automate_connectors.adapters.base import ConnectorAdapter, unknown_action, unknown_poll
from automate_connectors.adapters.polls import PollResult
from automate_connectors.adapters.s3.actions import MAX_LINK_SECONDS, MAX_OBJECTS, S3_ACTIONS, bucket_names
from automate_connectors.adapters.s3.client import DEFAULT_REGION, S3Client, is_region
from automate_connectors.adapters.s3.polls import find_new_objects, page_query
from automate_connectors.adapters.tables import read_tables
from automate_connectors.context import Context
from automate_connectors.web import invalid_input
from automate_plugins import ntext, text

_TABLES = read_tables(
    Path(__file__).with_name("tables.yaml"), max_objects=MAX_OBJECTS, max_link_seconds=MAX_LINK_SECONDS
)


class S3Connector(ConnectorAdapter):
    """Uploads, downloads and lists objects. Each request is signed with the access key of the connection."""

    code = "s3"
    name = "S3"
    description = text("Store, find and download files in S3 buckets: Amazon, MinIO, R2, Backblaze")
    icon = "cloud_upload"
    hue = 30
    takes_sign_in = False
    config_fields = _TABLES.settings
    actions = _TABLES.actions
    polls = _TABLES.polls

    def validate_config(self, config: dict[str, Any]) -> None:
        """Check the region. Raises ValueError."""
        if config.get("region") and not is_region(config["region"]):
            raise ValueError(text("Use lowercase letters, digits and hyphens for the region, such as eu-central-1."))

    def own_hosts(self, config: dict[str, Any]) -> tuple[str, ...]:
        """Amazon's endpoint of the region."""
        region = config.get("region") or DEFAULT_REGION
        return (f"s3.{region}.amazonaws.com",) if is_region(region) else ()

    def execute(self, action: str, params: dict[str, Any], context: Context) -> Any:
        """Perform the action."""
        perform = S3_ACTIONS.get(action)
        if perform is None:
            raise unknown_action(self.code, action)
        client = S3Client(context["connection"], context)
        bucket = "" if action == "list_buckets" else _bucket(params, context["connection"])
        return perform(client, bucket, params, context)

    def describe(self, action: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
        """The action with its bucket and key."""
        connection = context.get("connection") or {}
        bucket = "" if action == "list_buckets" else _bucket(params, connection)
        place = S3Client(connection, context).url(bucket, params.get("key"))
        label = self.action(action).label
        return {"summary": text("%(action)s: %(place)s", action=label, place=place), "action": action, **params}

    def poll(self, name: str, params: dict[str, Any], cursor: Any, context: Context) -> PollResult:
        """New and changed objects below the prefix; each is the data of its item."""
        if name != "new_object":
            raise unknown_poll(self.code, name)
        client, bucket = S3Client(context["connection"], context), _bucket(params, context["connection"])
        prefix, ending = params.get("prefix") or "", params.get("ending") or ""
        until = (time.monotonic() + context["deadline"]) / 2
        while True:
            found = find_new_objects(
                lambda after: client.list_page(bucket, **page_query(prefix, after)),
                ending,
                cursor,
                dt.datetime.now(dt.UTC),
            )
            if found.items or not found.more or time.monotonic() > until:
                return found
            cursor = found.cursor  # a page of known objects is no reason to wait for the interval

    def options(self, name: str, params: dict[str, Any], context: Context) -> list[tuple[str, str]]:
        """`buckets`: those that the access key may list."""
        found = bucket_names(S3Client(context["connection"], context))
        return [(each["name"], each["name"]) for each in found][:1_000]

    def check_connection(self, context: Context) -> str:
        """List one object of the connection's bucket, or else the buckets."""
        connection = context["connection"]
        client = S3Client(connection, context)
        if bucket := connection.get("bucket"):
            client.list_page(bucket, max_keys="1")
            return text("The bucket %(name)s can be read.", name=bucket)
        count = len(bucket_names(client))
        return ntext("The access key sees %(count)s bucket.", "The access key sees %(count)s buckets.", count)


def _bucket(params: dict[str, Any], connection: dict[str, Any]) -> str:
    """Return the bucket of a step. Raises ConnectorError when neither it nor the connection names one."""
    bucket: str = params.get("bucket") or connection.get("bucket") or ""
    if not bucket:
        raise invalid_input(text("Enter a bucket, here or in the connection."))
    return bucket
