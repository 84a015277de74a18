"""A run, what is kept beside it, and every address that shows one of them."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model

from automate_core.models import ExecutionRun, Wait, WaitAssignee
from automate_operations import bulk
from automate_studio.models import SavedView
from tests.studio.addresses import addresses
from tests.support.workflows import ASKS_OWNER_AND_HELPER, BRANCHING


@pytest.fixture
def run(workflow, deliver, drain):
    workflow(BRANCHING)
    deliver({"title": "go"})
    drain()
    return ExecutionRun.objects.get()


@pytest.fixture
def approval(run, owner):
    """One that the owner is asked for."""
    made = Wait.objects.create(
        run=run, path="first", kind="approval", data={"outcomes": [{"key": "approved", "name": "Approve"}]}
    )
    WaitAssignee.objects.create(wait=made, user=owner)
    return made


@pytest.fixture
def bulk_action(run, owner):
    return bulk.create_bulk_action("cancel", [run.pk], {}, by=owner)


@pytest.fixture
def view(run, owner):
    """One that is shared with those who may see the workflow."""
    return SavedView.objects.create(owner=owner, name="Ours", query="?workflow=branching", is_shared=True)


@pytest.fixture
def urls(run, owner, endpoint, approval, bulk_action, view):
    """Method and address by name, as in MATRIX."""
    return addresses(run, owner, endpoint, approval, bulk_action, view)


@pytest.fixture
def helper(db):
    """Somebody who is asked, and is not of the staff."""
    return get_user_model().objects.create_user("helper", password="password-of-tests")


@pytest.fixture
def waiting(workflow, deliver, drain, owner, helper):
    workflow(ASKS_OWNER_AND_HELPER)
    deliver()
    drain()
    return Wait.objects.get(kind="approval")
