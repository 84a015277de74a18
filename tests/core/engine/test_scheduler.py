"""The scheduler by itself: what goes on, what waits, and what ends when a task of a group fails."""

from __future__ import annotations

import pytest

from automate_core.engine import scheduler
from automate_core.engine.retry import RetryPolicy
from automate_core.engine.scheduler import Effect, Pause, Scheduler, TaskCancelledError, TaskGroup, WaitFor


def effect(name="x"):
    return Effect(name, None, None)


class Walk:
    """A scheduler with a root, what it noted, and which tasks were cancelled."""

    def __init__(self, root, steps=100, seconds=60.0):
        self.said, self.cancelled = [], []
        self.tasks = Scheduler(
            root(self),
            lambda task: self.cancelled.append(list(task.open_steps)),
            max_steps_per_run=steps,
            max_seconds_per_run=seconds,
        )

    def run(self):
        return [each.step for each in self.tasks.run()]

    def answer(self, name, outcome=None):
        [found] = [each for each in self.tasks.pending_effects if each.step == name]
        self.tasks.set_result(found, outcome)


def task(walk, name, *, fails=False, goes_on=False):
    """A task with a step and one effect; it notes the outcome, and fails or begins a further step."""
    try:
        walk.tasks.begin_step(name)
        walk.said.append((name, (yield effect(name))))
        if fails:
            raise RuntimeError(name)
        if goes_on:
            walk.tasks.begin_step(f"{name} again")
            walk.said.append((name, "went on"))
        walk.tasks.close_step(name)
    except GeneratorExit:
        walk.said.append((name, "closed"))
        raise


def group(limit, *make):
    """A root that runs those tasks in a group and notes how it ended."""

    def root(walk):
        try:
            yield TaskGroup((each(walk) for each in make), limit)
        except RuntimeError as error:
            walk.said.append(("group", repr(error)))
        else:
            walk.said.append(("group", "ended"))

    return root


def plain(name, **options):
    return lambda walk: task(walk, name, **options)


# --- one task ---------------------------------------------------------------------------------------------------------


def test_a_task_is_sent_the_outcome_of_its_effect():
    walk = Walk(plain("a").__call__)
    assert walk.run() == ["a"] and walk.run() == []
    walk.answer("a", 7)
    assert walk.tasks.has_ready_tasks and not walk.tasks.pending_effects
    assert walk.run() == [] and walk.said == [("a", 7)] and not walk.tasks.has_ready_tasks
    assert walk.tasks.root.open_steps == [] and walk.cancelled == []


def test_the_failure_of_the_root_is_raised():
    walk = Walk(plain("a", fails=True))
    walk.run()
    walk.answer("a")
    with pytest.raises(RuntimeError, match="a"):
        walk.run()


def test_a_wait_is_resolved_by_its_path():
    def root(walk):
        walk.said.append((yield WaitFor("p")))
        walk.said.append((yield effect("then")))

    walk = Walk(root)
    assert walk.run() == [] and walk.tasks.waiting_tasks == {"p": walk.tasks.root} and walk.tasks.root.wait_path == "p"
    walk.tasks.resolve_wait("p", "yes")
    assert walk.tasks.root.wait_path == "" and walk.tasks.waiting_tasks == {}
    assert walk.run() == ["then"] and walk.said == ["yes"]


def test_a_pause_goes_on_in_the_next_run():
    def root(walk):
        for number in range(3):
            walk.said.append(number)
            walk.tasks.pause()
            yield Pause()

    walk = Walk(root)
    for number in range(3):
        walk.run()
        assert walk.said == [*range(number + 1)] and walk.tasks.has_ready_tasks
    walk.run()
    assert walk.said == [0, 1, 2] and not walk.tasks.has_ready_tasks


def test_closing_a_step_that_is_not_open_is_nothing():
    walk = Walk(plain("a"))
    walk.run()
    walk.tasks.close_step("other")
    assert walk.tasks.root.open_steps == ["a"]


# --- time slices ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("steps", "begun"), [(1, [1, 2, 3]), (2, [2, 3]), (3, [3]), (9, [3])])
def test_a_run_begins_so_many_steps(steps, begun):
    walk = Walk(group(9, *(plain(name) for name in "abc")), steps=steps)
    seen = []
    while walk.tasks.has_ready_tasks:
        walk.run()
        if walk.tasks.pending_effects:
            seen.append(len(walk.tasks.pending_effects))
    assert seen == begun


def test_a_run_takes_so_many_seconds(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(scheduler.time, "monotonic", lambda: clock[0])

    def slow(name):
        def make(walk):
            clock[0] += 1.0
            yield effect(name)

        return make

    walk = Walk(group(9, *(slow(name) for name in "abcde")), seconds=2.0)
    assert walk.run() == ["a", "b"] and walk.tasks.has_ready_tasks
    assert walk.run() == ["c", "d"]
    assert walk.run() == ["e"]


def test_a_run_goes_on_with_one_task_however_late_it_is(monkeypatch):
    walk = Walk(plain("a"), steps=0, seconds=0.0)
    assert walk.tasks.is_slice_used and walk.run() == ["a"]


# --- groups -----------------------------------------------------------------------------------------------------------


def test_a_group_runs_so_many_tasks_at_once_and_its_parent_goes_on_after_all():
    walk = Walk(group(2, *(plain(name) for name in "abc")))
    assert walk.run() == ["a", "b"]
    walk.answer("a")
    assert walk.run() == ["c"]
    walk.answer("b")
    walk.run()
    assert ("group", "ended") not in walk.said
    walk.answer("c")
    walk.run()
    assert walk.said[-1] == ("group", "ended") and walk.cancelled == []


def test_an_empty_group_has_ended():
    walk = Walk(group(2))
    walk.run()
    assert walk.said == [("group", "ended")]


def test_the_first_failure_lets_running_effects_end_and_begins_nothing_more():
    walk = Walk(group(3, plain("a", fails=True), plain("b"), plain("c", goes_on=True), plain("d")))
    assert walk.run() == ["a", "b", "c"]
    walk.answer("a")
    assert walk.run() == []
    assert {each.step: each.cancelled for each in walk.tasks.pending_effects} == {"b": True, "c": True}
    assert walk.cancelled == [] and ("group", "RuntimeError('a')") not in walk.said
    walk.answer("b", 1)
    walk.answer("c", 2)
    assert walk.run() == []
    assert walk.said == [("a", None), ("b", 1), ("c", 2), ("group", "RuntimeError('a')")]
    assert walk.cancelled == [[], ["c"]], "b closed its step; what c had open is left to cancel"


def test_a_second_failure_does_not_replace_the_first():
    walk = Walk(group(2, plain("a", fails=True), plain("b", fails=True)))
    walk.run()
    walk.answer("a")
    walk.answer("b")
    walk.run()
    assert walk.said[-1] == ("group", "RuntimeError('a')")
    assert walk.cancelled == [["b"]]


def test_an_effect_that_has_not_begun_is_withdrawn():
    def fails(walk):
        raise RuntimeError("early")
        yield

    walk = Walk(group(9, plain("a"), plain("b"), fails, plain("c")))
    assert walk.run() == [] and not walk.tasks.pending_effects and not walk.tasks.has_ready_tasks
    assert sorted(walk.said[:-1]) == [("a", "closed"), ("b", "closed")]
    assert walk.said[-1] == ("group", "RuntimeError('early')")
    assert sorted(walk.cancelled) == [[], ["a"], ["b"]], "c had not begun"


def test_a_task_that_waits_is_cancelled_at_once():
    def waits(walk):
        walk.tasks.begin_step("wait")
        yield WaitFor("p")

    walk = Walk(group(9, waits, plain("a", fails=True)))
    walk.run()
    walk.answer("a")
    walk.run()
    assert walk.tasks.waiting_tasks == {} and walk.cancelled == [["wait"]]
    assert walk.said[-1] == ("group", "RuntimeError('a')")


def test_a_task_that_yields_after_it_was_cancelled_is_closed():
    def yields_again(walk):
        yield effect("b")
        try:
            yield effect("never")
        finally:
            walk.said.append("put away")

    walk = Walk(group(9, yields_again, plain("a", fails=True)))
    walk.run()
    walk.answer("a")
    walk.run()
    walk.answer("b")
    assert walk.run() == [] and not walk.tasks.pending_effects
    assert walk.said[-2:] == ["put away", ("group", "RuntimeError('a')")] and walk.cancelled == [[]]


def nested(*make, limit=9):
    def inner(walk):
        walk.tasks.begin_step("inner")
        try:
            yield TaskGroup((each(walk) for each in make), limit)
        except TaskCancelledError:
            walk.said.append("inner cancelled")
            raise
        walk.said.append("inner ended")

    return inner


def test_a_group_below_a_cancelled_task_ends_with_its_last_effect():
    walk = Walk(group(9, nested(plain("deep"), plain("next"), limit=1), plain("a", fails=True)))
    assert sorted(walk.run()) == ["a", "deep"]
    walk.answer("a")
    assert walk.run() == []
    assert [each.cancelled for each in walk.tasks.pending_effects] == [True] and walk.cancelled == []
    walk.answer("deep", 1)
    assert walk.run() == []
    assert walk.said == [("a", None), ("deep", 1), "inner cancelled", ("group", "RuntimeError('a')")]
    assert walk.cancelled == [[], ["inner"]]


def test_a_group_below_a_cancelled_task_that_only_waits_ends_at_once():
    def waits(walk):
        yield WaitFor("deep")

    walk = Walk(group(9, nested(waits), plain("a", fails=True)))
    walk.run()
    walk.answer("a")
    walk.run()
    assert walk.tasks.waiting_tasks == {} and walk.cancelled == [[], ["inner"]]
    assert "inner ended" not in walk.said and walk.said[-1] == ("group", "RuntimeError('a')")


# --- claims -----------------------------------------------------------------------------------------------------------


def test_a_computation_has_nothing_to_record_unless_it_says_so():
    assert scheduler.Computation("x", None, None).holds_record is False


def test_the_first_claim_of_an_effect_decides():
    one = effect()
    assert (one.cancelled, one.claimed_by, one.postponed) == (False, "", 0.0)
    assert one.claim("thread") and one.claim("thread") and not one.claim("watch")
    one.release("watch")
    assert not one.claim("watch")
    one.release("thread")
    assert one.claim("watch") and not one.claim("thread")


# --- retries ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("attempts", "failures", "retryable", "follows"),
    [(1, 1, True, False), (3, 2, True, True), (3, 3, True, False), (3, 4, True, False), (3, 1, False, False)],
)
def test_so_many_attempts_are_made(attempts, failures, retryable, follows):
    assert RetryPolicy(attempts=attempts).allows_retry(failures, retryable=retryable) is follows
    assert not RetryPolicy().allows_retry(1, retryable=True)


@pytest.mark.parametrize(("chance", "share"), [(0.0, 0.5), (0.5, 0.75), (1.0, 1.0)])
def test_a_delay_doubles_up_to_a_quarter_of_an_hour(monkeypatch, chance, share):
    monkeypatch.setattr("automate_core.engine.retry.random.random", lambda: chance)
    delays = [RetryPolicy().delay(failures) for failures in (1, 2, 3, 9, 10, 20)]
    assert delays == [share * seconds for seconds in (2, 4, 8, 512, 900, 900)]
    assert RetryPolicy(base=5, factor=3, cap=40).delay(2) == share * 15
    assert RetryPolicy().delay(1, 86_400.0) == RetryPolicy().delay(1, 86_401.0) == 86_400
    assert RetryPolicy().delay(1, 0.1) == share * 2
    assert RetryPolicy(base=0.5).delay(1) == share * 0.5, "no other side asked to wait"
