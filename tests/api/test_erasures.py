"""Personal data by the API: a search changes nothing; an erasure needs a reason and its own scope."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission

from automate_core.models import Erasure, Event
from automate_governance.models import AuditEntry
from automate_operations.erasure import erasing

pytestmark = pytest.mark.django_db(transaction=True)

ADA = "ada@example.com"


def _work():
    task = erasing.ErasureTask()
    while task.run_once() is not None:
        pass


@pytest.fixture
def officer(colleague):
    colleague.user_permissions.add(Permission.objects.get(codename="erase_site"))
    return colleague


@pytest.fixture
def event():
    return Event.objects.create(source="app:go", payload={"to": ADA}, trace_id="1" * 32)


def test_a_search_is_read_and_then_erased(api, officer, owner, event):
    client = api(officer, "site:erase")
    made = client.post("erasures", {"texts": [ADA]}, key="one")
    assert made.status_code == 202, made.content
    assert client.post("erasures", {"texts": [ADA]}, key="one").json() == made.json() and Erasure.objects.count() == 1
    assert ADA not in made.content.decode()
    path = f"erasures/{made.json()['id']}"
    assert client.get(path).json()["status"] == "searching"
    assert client.post(f"{path}/erase", {"reason": "Request 12"}).status_code == 409
    _work()
    found = client.get(path).json()
    assert found["status"] == "found" and found["counts"]["events"] == 1
    [unit] = found["found"]
    assert (unit["kind"], unit["count"], unit["keys"]) == ("unit", 1, [str(event.pk)])
    event.refresh_from_db()
    assert event.payload == {"to": ADA}
    refused = client.post(f"{path}/erase", {"reason": f"By {ADA}"})
    assert refused.status_code == 422 and refused.json()["errors"][0]["field"] == "reason"
    assert client.post(f"{path}/erase", {"reason": " "}).status_code == 422
    assert client.post(f"{path}/erase", {"reason": "Request 12"}).status_code == 202
    _work()
    done = client.get(path).json()
    assert (done["status"], done["found"], done["counts"]["events"]) == ("done", [], 1)
    assert client.post(f"{path}/stop").status_code == 409
    assert [each["id"] for each in client.get("erasures").json()["items"]] == [done["id"]]
    started = AuditEntry.objects.get(verb="erasure.started")
    assert started.source == "api" and started.credential
    shown = api(owner).get(f"events/{event.pk}")
    assert shown.status_code == 404 or shown.json()["is_erased"]


@pytest.mark.parametrize("body", [{}, {"texts": []}, {"texts": ["ab"]}, {"texts": ["x" * 201]}, {"texts": [1]}])
def test_bad_texts_are_refused(api, officer, body):
    assert api(officer, "site:erase").post("erasures", body).status_code == 422
    assert not Erasure.objects.exists()


def test_it_needs_the_permission_and_the_scope(api, officer, owner, admin, event):
    erasure = Erasure.objects.create(requester="root", texts=[ADA], digest="0", status="found")
    for client in (api(owner), api(officer, "workflow:view"), api(admin, "site:audit")):
        assert client.post("erasures", {"texts": [ADA]}).status_code == 403
        assert client.get("erasures").status_code == 403
        assert client.get(f"erasures/{erasure.pk}").status_code == 403
        assert client.post(f"erasures/{erasure.pk}/erase", {"reason": "Request 12"}).status_code == 403
    assert api(officer, "workflow:view").get("erasures").json()["missing_scope"] == "site:erase"
    assert api(admin, "site:erase").get("erasures/00000000-0000-7000-8000-000000000000").status_code == 404
