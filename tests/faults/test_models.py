"""Actions on the host's models take effect exactly once, wherever their worker dies."""

from __future__ import annotations

import signal

import pytest
from django.contrib.auth.models import Group, Permission

from automate_core.models import ExecutionRun, StepRun
from tests.faults.harness import wait_for

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

WORKFLOW = """
name: Groups
slug: groups
triggers: [{endpoint: github}]
steps:
  - {key: make, action: models.create, inputs: {model: auth.Group, values: {name: '{{ event.payload.name }}'}}}
  - {key: many, action: models.create_many, inputs: {model: auth.Group, rows: [{name: North}, {name: South}]}}
  - {key: after, action: data.set, inputs: {pk: '{{ steps.make.output.pk }}'}}
"""
KILLS = {
    "effect.starting(make)=kill": 0,
    "transactional.acted(make)=kill": 0,  # written, and not recorded
    "transactional.recorded(make)=kill": 0,  # recorded, and not committed
    "effect.done(make)=kill": 1,  # committed, and nobody was told
    "transactional.recorded(many)=kill": 0,
    "effect.done(many)=kill": 2,
}


@pytest.fixture
def host(mill, settings, owner, monkeypatch):
    settings.AUTOMATE_MODELS = {"auth.Group": {"read": ["name"], "write": ["name"]}}
    mill.environment["DJANGO_SETTINGS_MODULE"] = "tests.faults.host_settings"
    owner.user_permissions.add(Permission.objects.get(codename="add_group"))
    return mill


@pytest.mark.extended
@pytest.mark.parametrize("fault", KILLS)
def test_a_row_is_made_once_wherever_its_worker_dies(host, workflow, deliver, fault):
    workflow(WORKFLOW)
    doomed, next_one = host.worker(AUTOMATE_FAULTS=fault), host.standby()
    deliver({"name": "Buyers"})
    assert doomed.wait() == -signal.SIGKILL
    written = ["Buyers"] if "(make)" in fault else ["North", "South"]
    assert Group.objects.filter(name__in=written).count() == KILLS[fault]
    next_one.signal(signal.SIGCONT)
    wait_for(lambda: ExecutionRun.objects.filter(status__in=["succeeded", "failed"]).exists())
    run, group = ExecutionRun.objects.get(), Group.objects.get(name="Buyers")
    made = StepRun.objects.get(run=run, path="make", status="succeeded")
    assert (run.status, made.output) == ("succeeded", {"pk": group.pk, "name": "Buyers"})
    assert Group.objects.filter(name__in=["North", "South"]).count() == 2
