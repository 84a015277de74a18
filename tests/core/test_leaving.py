"""What stays, goes and is counted when a person leaves, or the site: connectors, their documents, and files of runs."""

from __future__ import annotations

import json

import pytest
from django.contrib.auth.models import Permission
from django.core.files.storage import FileSystemStorage
from django.core.management import CommandError, call_command

from automate_connectors.stored import drafts
from automate_connectors.stored.models import DeclaredConnector, DeclaredConnectorDraft, OpenAPIDocument
from automate_core import artifacts
from automate_core.database import now
from automate_core.files.store import FileAccess, FileOwner, store_file
from automate_core.models import ServiceWebhook
from automate_governance.models import AuditEntry
from automate_operations import uninstall
from automate_operations.offboarding import handover, holdings
from tests.support.people import make_person
from tests.support.stored_connectors import OPENAPI, TEXT, save_connector

pytestmark = pytest.mark.django_db(transaction=True)

NOTED = "{name: Noted, slug: noted, triggers: [{kind: manual}], steps: [{key: note, action: data.set}]}"


class Unlisted(FileSystemStorage):
    """A storage that cannot list its files."""

    def listdir(self, path):
        raise NotImplementedError


def administrator(name):
    person = make_person(name, "Builders")
    person.user_permissions.add(Permission.objects.get(codename="administer_site"))
    return type(person).objects.get(pk=person.pk)


@pytest.fixture
def leaver(db):
    return administrator("leaver")


def test_drafts_of_connectors_go_to_another_administrator_and_versions_stay(leaver, admin):
    version = save_connector(TEXT, leaver)
    drafts.edit_connector(version.connector, by=leaver)
    fresh = drafts.begin_draft(json.dumps(OPENAPI).encode(), by=leaver)
    assert "Drafts of connectors: 2" in [str(each) for each in holdings.find_holdings(leaver)]
    colleague = make_person("second", "Builders")
    result = handover.hand_over(leaver, colleague, by=admin)
    assert "Drafts of connectors stay with leaver: second may not administer the site." in map(str, result.left)
    heir = administrator("heir")
    drafts.edit_connector(version.connector, by=heir)
    result = handover.hand_over(leaver, heir, by=admin, deactivate=True)
    assert result.done["drafts of connectors"] == 1 and [str(each) for each in result.left] == [
        "shop: heir has a draft of it."
    ]
    fresh.refresh_from_db()
    assert fresh.author == heir and fresh.document == OpenAPIDocument.objects.get()
    assert AuditEntry.objects.filter(verb="connector.handed_over", actor="root").count() == 1
    assert DeclaredConnector.objects.get().current.author == leaver, "history names who saved it"
    assert DeclaredConnectorDraft.objects.filter(author=leaver).count() == 1 and not holdings.may_be_deleted(leaver)


def test_files_of_a_run_are_opened_by_who_runs_its_workflow_next(leaver, admin, workflow):
    made = workflow(NOTED)
    made.owner = made.run_as = leaver
    made.save()
    made.versions.update(run_as=leaver)
    other = make_person("heir", "Builders")
    value = store_file(b"a,b", name="a.csv", owner=FileOwner(trace_id="1" * 32, workflow_id=made.pk))
    elsewhere = FileOwner(trace_id="2" * 32)
    with pytest.raises(Exception, match="may not read it"):
        FileAccess(elsewhere, lambda: other).open(value)
    handover.hand_over(leaver, other, by=admin, deactivate=True)
    with FileAccess(elsewhere, lambda: type(other).objects.get(pk=other.pk)).open(value) as content:
        assert content.read() == b"a,b"


@pytest.mark.extended
def test_uninstalling_counts_connectors_and_files_and_asks_first_for_webhooks_at_services(
    admin, workflow, settings, tmp_path, capsys
):
    options = {"OPTIONS": {"location": tmp_path / "files"}}
    settings.STORAGES = {**settings.STORAGES, "automate": {**settings.STORAGES["automate"], **options}}
    save_connector(TEXT, administrator("author"))
    made = workflow(NOTED)
    store_file(b"x", name="upload.bin", owner=FileOwner(trace_id="1" * 32, workflow_id=made.pk))
    artifacts.put(b'{"large": 1}')
    ServiceWebhook.objects.create(
        workflow=made,
        key="push",
        webhook="github.push",
        slug="noted-1",
        digest="d",
        registration_id="7",
        due_since=now(),
    )
    lines = list(uninstall.plan_removal(keep_groups=False))
    assert "1 connectors made in the browser" in lines[0] and "files of runs, with large values and uploads: 2" in lines
    with pytest.raises(CommandError, match="1 webhook is registered at services"):
        call_command("automate_uninstall", "--yes")
    assert DeclaredConnector.objects.exists(), "nothing was deleted"
    uninstall._remove_files()
    assert list(artifacts.list_names()) == []
    unlisted = {"BACKEND": f"{__name__}.Unlisted", **options}
    settings.STORAGES = {**settings.STORAGES, "automate": unlisted}
    assert "delete the folder documents yourself" in list(uninstall.plan_removal(keep_groups=False))[-1]
    uninstall._remove_files()
