"""The files of a run by the API: listed and downloaded by who may view the payload, and never a page of the site."""

from __future__ import annotations

import asyncio

import pytest
from django.test import AsyncClient

from automate_core.files.store import FileOwner, store_file
from automate_core.models import StoredFile
from automate_governance.models import AuditEntry
from tests.support.runs import published_workflows, run_of_age

pytestmark = pytest.mark.django_db


@pytest.fixture
def runs(owner, settings, tmp_path):
    """Two runs with traces of their own."""
    storage = {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": tmp_path}}
    settings.STORAGES = {**settings.STORAGES, "automate": storage}
    [workflow] = published_workflows(owner, "Orders")
    made = [run_of_age(workflow, seconds) for seconds in (90, 60)]
    for run, trace_id in zip(made, ("a" * 32, "b" * 32), strict=True):
        run.trace_id = trace_id
        run.save(update_fields=["trace_id"])
    return made


def test_the_files_of_a_run_are_listed_and_downloaded(api, owner, runs):
    run, other = runs
    page = b"<script>alert(1)</script>"
    for name in ("page.html", "two.html"):
        store_file(page, name=name, content_type="text/html", owner=FileOwner(trace_id="c" * 32, run_id=run.pk))
    client = api(owner, "workflow:view", "workflow:view_payload")
    first = client.get(f"runs/{run.pk}/files", {"limit": 1}).json()
    rest = client.get(f"runs/{run.pk}/files", {"limit": 1, "cursor": first["next"]}).json()
    found = {each["name"]: each for each in [*first["items"], *rest["items"]]}
    assert rest["next"] is None and found.keys() == {"page.html", "two.html"}
    shown = found["page.html"]
    assert (shown["type"], shown["size"]) == ("text/html", len(page))
    assert shown["reference"] == StoredFile.objects.get(name="page.html").pk
    path = f"runs/{run.pk}/files/{shown['reference']}"
    assert shown["url"].endswith(path)
    answer = client.get(path)
    assert b"".join(answer.streaming_content) == page
    assert answer["Content-Disposition"] == 'attachment; filename="page.html"'
    assert "sandbox" in answer["Content-Security-Policy"] and answer["X-Content-Type-Options"] == "nosniff"
    entry = AuditEntry.objects.get(verb="run.payload_downloaded")
    assert (entry.object_id, entry.changes) == (str(run.pk), {"part": "page.html"})
    assert client.get(f"runs/{other.pk}/files/{shown['reference']}").status_code == 404, "of another run"
    assert client.get(f"runs/{other.pk}/files").json() == {"items": [], "next": None}
    assert client.get(f"runs/{run.pk}/files/%00").status_code in {404, 422}
    assert api(owner, "workflow:view").get(path).status_code == 403


def test_a_range_of_a_file_is_downloaded(api, owner, runs):
    content = bytes(range(10))
    name_of = FileOwner(trace_id="c" * 32, run_id=runs[0].pk)
    store_file(content, name="ten.bin", content_type="application/octet-stream", owner=name_of)
    path = f"runs/{runs[0].pk}/files/{StoredFile.objects.get().pk}"
    client = api(owner, "workflow:view", "workflow:view_payload")

    def get(header):
        answer = client.get(path, Range=header)
        return answer.status_code, b"".join(answer.streaming_content), answer.headers.get("Content-Range")

    size = len(content)
    for header, first, last in (("bytes=0-3", 0, 3), ("bytes=4-", 4, 9), ("bytes=-2", 8, 9), ("bytes=8-99", 8, 9)):
        assert get(header) == (206, content[first : last + 1], f"bytes {first}-{last}/{size}"), header
    for header in ("", "bytes=0-", "bytes=-99", "bytes=-", "bytes=5-2", "bytes=0-1,3-4", "lines=1-2"):
        assert get(header) == (200, content, None), header
    whole = client.get(path)
    assert b"".join(whole.streaming_content) == content
    assert (whole.headers["Accept-Ranges"], whole.headers["Content-Length"]) == ("bytes", str(size))
    for header in ("bytes=10-", "bytes=-0"):
        refused = client.get(path, Range=header)
        assert (refused.status_code, refused.headers["Content-Range"]) == (416, f"bytes */{size}")
        assert refused.json()["code"] == "no_such_range"


@pytest.mark.parametrize(("codec", "shown"), [("utf-8", "text/csv; charset=utf-8"), ("latin-1", "text/csv")])
def test_a_text_has_its_charset_and_no_ranges(api, owner, runs, codec, shown):
    content = "Größe".encode(codec)
    name_of = FileOwner(trace_id="c" * 32, run_id=runs[0].pk)
    store_file(content, name="sizes.csv", content_type="text/csv", owner=name_of)
    client = api(owner, "workflow:view", "workflow:view_payload")
    answer = client.get(f"runs/{runs[0].pk}/files/{StoredFile.objects.get().pk}", Range="bytes=0-2")
    assert (answer.status_code, b"".join(answer.streaming_content)) == (200, content), (
        "parts of a secret are not masked"
    )
    assert (answer.headers["Content-Type"], answer.headers["Accept-Ranges"]) == (shown, "none")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("content_type", ["application/octet-stream", "text/csv"])
def test_a_download_is_sent_in_parts_under_asgi(api, owner, runs, content_type):
    """Django reads a stream that is not async as a whole, with a warning."""
    content = b"0123456789" * 50_000
    owned = FileOwner(trace_id="c" * 32, run_id=runs[0].pk)
    store_file(content, name="numbers", content_type=content_type, owner=owned)
    path = f"/api/v1/runs/{runs[0].pk}/files/{StoredFile.objects.get().pk}"
    token = api(owner, "workflow:view", "workflow:view_payload").plain

    async def download():
        answer = await AsyncClient().get(path, headers={"authorization": f"Bearer {token}"})
        assert answer.is_async
        return [part async for part in answer.streaming_content]

    parts = asyncio.run(download())
    assert b"".join(parts) == content and len(parts) > 1
