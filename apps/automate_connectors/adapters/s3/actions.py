"""The functions that perform the actions of the S3 connector."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Any

from automate_connectors.adapters.s3.client import S3Client, modified_at
from automate_connectors.adapters.s3.signing import encoded
from automate_connectors.bounds.server_numbers import read_number
from automate_connectors.context import Context
from automate_connectors.files.contents import Download, read_file
from automate_connectors.web import as_text, invalid_input
from automate_egress import HttpResponse
from automate_plugins import text

MAX_OBJECTS = 10_000
MAX_LINK_SECONDS = 604_800  # seven days, the most that signature version 4 allows
_UNKNOWN_TYPES = frozenset({"binary/octet-stream", "application/octet-stream"})  # S3's own for an upload without one
_HEADER_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,1000}", re.ASCII)
_META = "x-amz-meta-"


def _list_buckets(client: S3Client, bucket: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
    return {"buckets": bucket_names(client)}


def bucket_names(client: S3Client) -> list[dict[str, str]]:
    """Return the buckets of the account, each with its `name` and the time when it was `created`."""
    root = client.read(client.send("GET"), "ListAllMyBucketsResult")
    return [
        {
            "name": each.findtext("{*}Name") or "",
            "created": modified_at(each.findtext("{*}CreationDate") or ""),
        }
        for each in root.findall("{*}Buckets/{*}Bucket")
    ]


def _list_objects(client: S3Client, bucket: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
    most = _between("max_objects", params.get("max_objects", 1_000), MAX_OBJECTS)
    delimiter = "" if params.get("recursive") else "/"
    objects: list[dict[str, Any]] = []
    folders: list[str] = []
    more = False
    for page in client.list_pages(bucket, most, prefix=params.get("prefix") or "", delimiter=delimiter):
        objects += page.objects
        folders += page.folders
        more = page.more
    return {"objects": objects, "folders": folders, "complete": not more}


def _get_object(client: S3Client, bucket: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
    query = {"versionId": params["version"]} if params.get("version") else None
    with Download(context["files"]) as download:
        response = client.send(
            "GET", bucket, params["key"], query=query, into=download.spool, max_bytes=download.max_bytes
        )
        if response.headers.get("content-type") in _UNKNOWN_TYPES:
            response = replace(response, headers={**response.headers, "content-type": ""})
        file = download.store(response)
    return {"file": file, **_details(response, bucket, params["key"]), "size": file["size"], "type": file["type"]}


def _put_object(client: S3Client, bucket: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
    if (params.get("file") is None) is (params.get("text") is None):
        raise invalid_input(text("Enter either a file or a text."))
    content, content_type = (params.get("text") or "").encode(), "text/plain; charset=utf-8"
    if params.get("file") is not None:
        file = read_file(params["file"], "file", context["files"])
        content, content_type = file.content, file.content_type
    headers = {"Content-Type": params.get("content_type") or content_type}
    for name, value in (params.get("metadata") or {}).items():
        headers[f"{_META}{name.lower()}"] = as_text(value)
    _check_headers(headers)
    response = client.send("PUT", bucket, params["key"], headers=headers, body=content)
    return {
        "bucket": bucket,
        "key": params["key"],
        "size": len(content),
        "etag": response.headers.get("etag", "").strip('"'),
        "version": response.headers.get("x-amz-version-id", ""),
    }


def _copy_object(client: S3Client, bucket: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
    target = params.get("to_bucket") or bucket
    client.url(bucket, params["key"])  # checks both
    headers = {"x-amz-copy-source": f"/{encoded(bucket)}/{encoded(params['key'])}"}
    root = client.read(client.send("PUT", target, params["to_key"], headers=headers), "CopyObjectResult")
    return {
        "bucket": target,
        "key": params["to_key"],
        "etag": (root.findtext("{*}ETag") or "").strip('"'),
        "modified": modified_at(root.findtext("{*}LastModified") or ""),
    }


def _delete_object(client: S3Client, bucket: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
    query = {"versionId": params["version"]} if params.get("version") else None
    client.send("DELETE", bucket, params["key"], query=query)
    return {"bucket": bucket, "key": params["key"]}


def _head_object(client: S3Client, bucket: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
    return _details(client.send("HEAD", bucket, params["key"]), bucket, params["key"])


def _create_link(client: S3Client, bucket: str, params: dict[str, Any], context: Context) -> dict[str, Any]:
    seconds = _between("seconds", params.get("seconds", 3_600), MAX_LINK_SECONDS)
    if context["connection"].get("session_token"):  # it would be a part of the link, and is masked in the run
        raise invalid_input(text("A link needs credentials without a session token."))
    method = params.get("method") or "GET"
    query = {}
    if method == "GET":
        client.send("HEAD", bucket, params["key"])  # a link to nothing is an error here, not for whom it is sent to
        if name := (params.get("filename") or "").replace('"', ""):
            query["response-content-disposition"] = f'attachment; filename="{name}"'
    return {
        "url": client.presign(method, bucket, params["key"], query, seconds),
        "method": method,
        "seconds": seconds,
    }


def _details(response: HttpResponse, bucket: str, key: str) -> dict[str, Any]:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return {
        "bucket": bucket,
        "key": key,
        "size": read_number(headers.get("content-length", "")) or 0,
        "type": headers.get("content-type", ""),
        "etag": headers.get("etag", "").strip('"'),
        "modified": _header_date(headers.get("last-modified", "")),
        "metadata": {name.removeprefix(_META): value for name, value in headers.items() if name.startswith(_META)},
        "version": headers.get("x-amz-version-id", ""),
    }


def _header_date(written: str) -> str:
    try:
        return parsedate_to_datetime(written).isoformat()
    except (ValueError, TypeError):
        return ""


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise invalid_input(
                text("%(name)s: names have letters, digits, - and _, values plain ASCII text.", name=name[:100])
            )


def _between(name: str, value: int, most: int) -> int:
    if not 1 <= value <= most:
        raise invalid_input(text("%(name)s must be between 1 and %(maximum)s.", name=name, maximum=most))
    return value


type _Perform = Callable[[S3Client, str, dict[str, Any], Context], dict[str, Any]]

#: What performs each action on a bucket. It raises ConnectorError, EgressError.
S3_ACTIONS: Mapping[str, _Perform] = {
    "put_object": _put_object,
    "get_object": _get_object,
    "list_objects": _list_objects,
    "head_object": _head_object,
    "copy_object": _copy_object,
    "delete_object": _delete_object,
    "create_link": _create_link,
    "list_buckets": _list_buckets,
}
