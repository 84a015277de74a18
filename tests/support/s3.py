"""An S3 service on loopback: it keeps objects in memory and checks the signature of each request as it arrived."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import quote_plus, unquote
from xml.sax.saxutils import escape

from automate_connectors.adapters.s3.signing import Signer, encoded_query

NS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
SIGNED = ("x-amz-content-sha256", "x-amz-date", "x-amz-copy-source", "content-type")


class Store:
    """`objects` are (content, headers, time) by bucket and key. Call `answer` with each request that comes in."""

    def __init__(self, signer: Signer) -> None:
        self.signer = signer
        self.objects: dict[tuple[str, str], tuple[bytes, dict[str, str], dt.datetime]] = {}
        self.now = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)

    def put(self, bucket: str, key: str, content: bytes, at: dt.datetime | None = None, **headers: str) -> None:
        """Store an object."""
        self.objects[bucket, key] = (content, headers, at or self.now)

    def answer(self, asked: Any) -> tuple[int, Any, dict[str, str]]:
        """(status, body, headers) for a request."""
        if not self._is_signed(asked):
            return _error(403, "SignatureDoesNotMatch", "The request signature does not match.")
        bucket, _, key = unquote(asked.path).removeprefix("/").partition("/")
        if not bucket:
            names = "".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in sorted({b for b, _ in self.objects}))
            return 200, f"<ListAllMyBucketsResult {NS}><Buckets>{names}</Buckets></ListAllMyBucketsResult>".encode(), {}
        if bucket not in {name for name, _ in self.objects}:
            return _error(404, "NoSuchBucket", "The specified bucket does not exist")
        if not key:
            return 200, self.listing(bucket, {name: values[0] for name, values in asked.query.items()}), {}
        if asked.method == "PUT":
            return self._put(asked, bucket, key)
        if asked.method == "DELETE":
            self.objects.pop((bucket, key), None)
            return 204, b"", {}
        if (bucket, key) not in self.objects:
            return _error(404, "NoSuchKey", "The specified key does not exist.")
        content, headers, at = self.objects[bucket, key]
        return 200, content, {**headers, "Last-Modified": f"{at:%a, %d %b %Y %H:%M:%S} GMT", "ETag": '"e"'}

    def listing(self, bucket: str, query: dict[str, str]) -> bytes:
        """The answer of ListObjectsV2."""
        prefix, most = query.get("prefix", ""), int(query.get("max-keys", "1000"))
        after = query.get("continuation-token") or query.get("start-after", "")
        entries: list[tuple[str, str]] = []
        for (name, key), (content, _headers, at) in sorted(self.objects.items()):
            if name != bucket or not key.startswith(prefix) or key <= after:
                continue
            folder, slash, _ = key.removeprefix(prefix).partition("/")
            if query.get("delimiter") and slash:
                shown = f"<CommonPrefixes><Prefix>{quote_plus(prefix + folder)}/</Prefix></CommonPrefixes>"
                if not entries or entries[-1][1] != shown:
                    entries.append((f"{prefix}{folder}/\U0010ffff", shown))
                continue
            size, time = len(content), f"{at:%Y-%m-%dT%H:%M:%S.000Z}"
            entries.append((key, f"<Contents><Key>{escape(quote_plus(key, safe='/'))}</Key><Size>{size}</Size>"
                f"<LastModified>{time}</LastModified><ETag>&quot;e{size}&quot;</ETag></Contents>"))  # fmt: skip
        page, more = entries[:most], len(entries) > most
        token = f"<NextContinuationToken>{escape(page[-1][0])}</NextContinuationToken>" if more and page else ""
        return (
            f"<ListBucketResult {NS}><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
            f"{token}{''.join(shown for _, shown in page)}</ListBucketResult>"
        ).encode()

    def _put(self, asked: Any, bucket: str, key: str) -> tuple[int, Any, dict[str, str]]:
        if source := asked.headers.get("x-amz-copy-source"):
            from_bucket, _, from_key = unquote(source).removeprefix("/").partition("/")
            if (from_bucket, from_key) not in self.objects:  # S3 may answer a failed copy with 200
                return _error(200, "NoSuchKey", "The specified key does not exist.")
            self.objects[bucket, key] = self.objects[from_bucket, from_key]
            return 200, f"<CopyObjectResult {NS}><ETag>&quot;e&quot;</ETag></CopyObjectResult>".encode(), {}
        kept = {name: value for name, value in asked.headers.items() if name.startswith("x-amz-meta-")}
        self.put(bucket, key, asked.body, **{**kept, "Content-Type": asked.headers.get("content-type", "")})
        return 200, b"", {"ETag": '"e"'}

    def _is_signed(self, asked: Any) -> bool:
        """Whether the request is the one that its Authorization header signs."""
        names = {*SIGNED, *(name for name in asked.headers if name.startswith("x-amz-"))}
        at = dt.datetime.strptime(asked.headers.get("x-amz-date", "19700101T000000Z"), "%Y%m%dT%H%M%S%z")
        headers = {name: asked.headers[name] for name in names if name in asked.headers}
        query = encoded_query({name: values[0] for name, values in asked.query.items()})
        url = f"http://{asked.headers['host']}{asked.path}" + (f"?{query}" if query else "")
        wanted = self.signer.sign_headers(asked.method, url, headers, asked.body, at=at)
        return wanted["Authorization"] == asked.headers.get("authorization")


def _error(status: int, code: str, message: str) -> tuple[int, bytes, dict[str, str]]:
    return status, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode(), {}
