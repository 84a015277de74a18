"""Workers that die while they poll: each item is one event, and that one run."""

from __future__ import annotations

import signal

import pytest

from automate_core.database import now
from automate_core.models import Event, ExecutionRun, PollState
from tests.faults.harness import wait_for
from tests.support.feeds import Feed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.process]

NEWS = """
name: News
slug: news
triggers: [{{kind: poll, key: item, poll: rss.new_item, every: 1h, inputs: {{url: '{url}'}}}}]
steps: [{{key: note, action: data.set, inputs: {{title: '{{{{ event.payload.title }}}}'}}}}]
"""
#: By the point at which the worker dies: the items that are events afterwards.
DEATHS = {"poll.asked": ["2"], "poll.ingested": ["2"], "poll.committed": ["2", "3"]}


def items():
    return list(Event.objects.filter(source="poll:news").order_by("id").values_list("payload__id", flat=True))


@pytest.mark.extended
def test_a_worker_dies_between_asking_and_the_commit_and_after_it(workflow, mill, drain, settings):
    """Before the commit neither the events nor the cursor are written; after it, both are, and nothing comes twice."""
    feed = Feed()
    settings.AUTOMATE_EGRESS_ALLOW = [feed.host]
    try:
        feed.items = ["1"]
        workflow(NEWS.format(url=feed.url))
        drain()  # the baseline
        feed.items += ["2"]
        PollState.objects.update(next_at=now())
        drain()
        feed.items += ["3"]
        found = {}
        for point in DEATHS:
            PollState.objects.update(next_at=now(), failures=0)  # the lease of the one before is over
            cursor = PollState.objects.get().seen
            doomed = mill.worker(AUTOMATE_FAULTS=f"{point}=kill", AUTOMATE_EGRESS_ALLOW=feed.host)
            assert doomed.wait(120) == -signal.SIGKILL
            found[point] = items()
            state = PollState.objects.get()
            assert (state.seen == cursor) == (found[point] == ["2"]), f"{point}: the cursor goes with the events"
        assert found == DEATHS
        feed.items += ["4"]
        PollState.objects.update(next_at=now())
        worker = mill.worker(AUTOMATE_EGRESS_ALLOW=feed.host)
        wait_for(lambda: len(items()) == 3)
        mill.terminate(worker)
        assert worker.wait() == 0
        PollState.objects.update(next_at=now())
        drain()
        assert items() == ["2", "3", "4"]
        assert ExecutionRun.objects.count() == 3
        assert set(ExecutionRun.objects.values_list("status", flat=True)) == {"succeeded"}
    finally:
        feed.close()
