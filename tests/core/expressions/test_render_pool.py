"""Render workers: what they cannot do, how they end, and that they are there again."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from automate_core.expressions.json_path import TemplateError
from automate_core.expressions.templating import compile_value, pool
from automate_core.expressions.templating.pool import POOL, RenderPool, RenderProcess, RenderUnavailableError, needed
from automate_core.expressions.templating.render_protocol import frame
from tests.support.costs import soon
from tests.support.processes import wait_for

SUM = compile_value({"n": "{{ event.n + 1 }}"})
ENDLESS = (
    "{% for a in range(1000) %}{% for b in range(100) %}{{ range(1000) | list | sort | first }}{% endfor %}{% endfor %}"
)


@pytest.fixture
def fresh(monkeypatch):
    """A pool of its own in place of the process's."""
    own = RenderPool()
    monkeypatch.setattr(pool, "POOL", own)
    yield own
    own.close()


def limits_of(pid):
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    return {line[:26].strip(): line[26:].split()[:2] for line in lines}


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# --- what it is -------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_it_starts_with_the_first_template_that_needs_it_and_stays(fresh):
    assert compile_value({"a": "{{ event.n }} {{ 'x' | upper }}"}).render({"event": {"n": 1}}) == {"a": "1 X"}
    assert fresh.workers == []
    assert SUM.render({"event": {"n": 1}}) == {"n": 2}
    [worker] = fresh.workers
    assert SUM.render({"event": {"n": 2}}) == {"n": 3}
    assert fresh.workers == [worker] and alive(worker.pid)


@pytest.mark.skipif(not Path("/proc/self/limits").exists(), reason="reads what Linux says of a process")
def test_it_has_nothing_and_may_do_nothing(fresh, monkeypatch):
    monkeypatch.setenv("AUTOMATE_SECRETS_KEYS", "canary-of-the-environment")
    SUM.render({"event": {"n": 1}})
    [worker] = fresh.workers
    limits = limits_of(worker.pid)
    assert limits["Max open files"] == ["0", "0"]
    assert limits["Max processes"] == ["0", "0"]
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max address space"] == ["400000000", "400000000"]
    assert int(limits["Max cpu time"][0]) < 10
    status = Path(f"/proc/{worker.pid}/status").read_text()
    assert f"\nPPid:\t{os.getpid()}\n" in status and "\nThreads:\t1\n" in status
    assert "\nUid:\t0\t" not in status, "it is not root"
    if os.getuid() == 0:  # others may not look into a process that has another user
        assert Path(f"/proc/{worker.pid}/environ").read_bytes() == b""
        assert len(list(Path(f"/proc/{worker.pid}/fd").iterdir())) == 3
    assert {"files", "processes", "writing", "memory", "cpu", "core"} <= set(worker.given_up)
    assert ("root" in worker.given_up) == (os.getuid() == 0)


ESCAPED = """
import json, os, sys
sys.path += sys.argv[1:]
from automate_core.expressions.templating import render_worker
render_worker.warm_up()
out = os.write
given_up = render_worker.drop_privileges()

def attempt(act):
    try:
        act()
    except BaseException as error:
        return type(error).__name__
    return "done"

def start_thread():
    import _thread
    _thread.start_new_thread(print, ())

import _socket, resource, signal
found = {
    "modules": sorted(name for name in sys.modules if name.partition(".")[0] in ("django", "psycopg", "automate_site",
        "automate_governance", "automate_connectors", "automate_egress", "requests", "cryptography")),
    "environment": dict(os.environ),
    "given_up": given_up,
    "read": attempt(lambda: open("/etc/passwd")),
    "write": attempt(lambda: open("/tmp/escaped", "w")),
    "reuse": attempt(lambda: (os.close(0), open("/etc/passwd"))),
    "socket": attempt(lambda: _socket.socket()),
    "unix": attempt(lambda: _socket.socket(_socket.AF_UNIX)),
    "fork": attempt(os.fork),
    "thread": attempt(start_thread),
    "spawn": attempt(lambda: os.posix_spawn("/bin/true", ["true"], {})),
    "raise_files": attempt(lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (10, 10))),
    "raise_memory": attempt(lambda: resource.setrlimit(resource.RLIMIT_AS, (-1, -1))),
    "kill": attempt(lambda: os.kill(os.getppid(), 0)),
    "memory": attempt(lambda: bytearray(450_000_000)),
    "import": attempt(lambda: __import__("sqlite3")),
    "root": attempt(lambda: os.setuid(0)) if os.getuid() else "is root",
}
out(1, json.dumps(found).encode())
os._exit(0)
"""


@pytest.mark.extended
@pytest.mark.skipif(sys.platform != "linux", reason="what a worker gives up is Linux's")
def test_code_that_broke_out_reaches_nothing():
    """As an escape would find it: after warming up and giving up, any Python."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", ESCAPED, *pool._folders()],
        env={},
        capture_output=True,
        timeout=300,
        check=False,
    )
    found = json.loads(done.stdout)
    assert found["modules"] == []
    assert set(found["environment"]) <= {"LC_CTYPE"}, "what Python sets itself"
    assert {found[name] for name in ("read", "write", "reuse", "socket", "unix")} == {"OSError"}
    assert {found[name] for name in ("raise_files", "raise_memory")} <= {"ValueError", "PermissionError"}
    assert found["memory"] == "MemoryError"
    assert found["import"] in ("OSError", "ImportError", "ModuleNotFoundError")
    if os.getuid() == 0 and "root" in found["given_up"]:
        assert found["root"] == found["kill"] == "PermissionError"
        assert found["fork"] == found["spawn"] == "BlockingIOError"
        assert found["thread"] == "RuntimeError"


# --- how it ends ------------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_what_takes_too_long_is_ended_and_the_next_goes_on(fresh):
    SUM.render({"event": {"n": 1}})
    with soon(), pytest.raises(TemplateError, match="takes longer than 1 s"):
        compile_value({"a": ENDLESS}).render({})
    assert SUM.render({"event": {"n": 1}}) == {"n": 2}


@pytest.mark.extended
def test_what_does_not_look_at_the_clock_is_killed_and_replaced(fresh):
    """A regular expression of RE2's is one call: linear for one match, but there are many."""
    SUM.render({"event": {"n": 1}})
    [worker] = fresh.workers
    slow = compile_value("{{ event.text | regex_find_all('a[^b]*b|a') | length }}")
    with soon(), pytest.raises(TemplateError, match="longer than"):
        slow.render({"event": {"text": "a" * 100_000}})
    assert SUM.render({"event": {"n": 1}}) == {"n": 2}
    assert len(fresh.workers) == 1
    assert alive(worker.pid) == (worker in fresh.workers)


def test_what_needs_too_much_memory_is_ended_and_replaced(fresh):
    big = {"listed": [{"k": "x" * 100}] * 20_000}
    SUM.render({"event": {"n": 1}})
    [worker] = fresh.workers
    with pytest.raises(TemplateError, match=r"too much memory|longer than|larger than"):
        compile_value("{{ [" + "event.listed," * 2_000 + "] | tojson | length }}").render({"event": big})
    assert SUM.render({"event": {"n": 1}}) == {"n": 2}
    wait_for(lambda: not alive(worker.pid) or worker in fresh.workers)
    assert len(fresh.workers) == 1


@pytest.mark.extended
def test_one_that_was_killed_meanwhile_is_replaced(fresh):
    SUM.render({"event": {"n": 1}})
    [worker] = fresh.workers
    os.kill(worker.pid, 9)
    wait_for(lambda: not alive(worker.pid))
    assert SUM.render({"event": {"n": 1}}) == {"n": 2}
    assert worker not in fresh.workers


@pytest.mark.extended
def test_after_enough_work_a_new_one_takes_over(fresh, monkeypatch):
    monkeypatch.setattr(pool, "RETIRE_SECONDS", 0.0)
    SUM.render({"event": {"n": 1}})
    assert fresh.workers == []
    assert SUM.render({"event": {"n": 1}}) == {"n": 2}


READY = b'{"given_up": []}'
MISBEHAVIOUR = {
    "it ends": ("pass", "too much memory or time"),
    "it says nothing": ("time.sleep(90)", "takes longer than 1 s"),
    "it answers nonsense": ("send(b'nonsense')", "invalid response"),
    "it answers something else": ("send(b'[1, 2]')", "invalid response"),
    "it answers without end": ("[os.write(1, b'\\xff' * 60000) for _ in range(1000)]", "invalid response"),
    "it announces too much": (
        "os.write(1, b'\\xff\\xff\\xff\\xff' + b'x' * 100); time.sleep(90)",
        "longer than|invalid response",
    ),
    "it stops halfway": ("os.write(1, b'\\x00\\x00\\x00\\x10{'); time.sleep(90)", "takes longer than 1 s"),
    "its reason is endless": ("send(b'{\"reason\": \"' + b'x' * 4000000 + b'\"}')", "^x{1000}$"),
}


@pytest.mark.matrix
@pytest.mark.parametrize("name", MISBEHAVIOUR)
def test_a_worker_that_misbehaves_does_no_harm(fresh, monkeypatch, name):
    act, reason = MISBEHAVIOUR[name]
    boot = f"""
import os, struct, time
def send(document):
    document = struct.pack('>I', len(document)) + document
    while document:
        document = document[os.write(1, document):]
send({READY!r})
os.read(0, 65536)
{act}
"""
    monkeypatch.setattr(pool, "_BOOT", boot)
    with soon(), pytest.raises(TemplateError, match=reason):
        SUM.render({"event": {"n": 1}})
    monkeypatch.undo()


def test_one_that_says_what_it_was_not_asked_is_not_asked_again(fresh, monkeypatch):
    answer = frame(READY), frame(b'{"value": 7}') * 2
    boot = f"import os, time; os.write(1, {answer[0]!r}); os.read(0, 65536); os.write(1, {answer[1]!r}); time.sleep(90)"
    monkeypatch.setattr(pool, "_BOOT", boot)
    with pytest.raises(TemplateError, match="invalid response"):
        SUM.render({"event": {"n": 1}})
    assert fresh.workers == []
    late = (
        boot.replace("* 2", "")
        .replace(repr(answer[1]), repr(frame(b'{"value": 7}')))
        .replace("time.sleep(90)", "time.sleep(0.2); os.write(1, b'x'); time.sleep(90)")
    )
    monkeypatch.setattr(pool, "_BOOT", late)
    assert SUM.render({"event": {"n": 1}}) == 7
    [worker] = fresh.workers
    wait_for(lambda: not worker.is_waiting)
    assert SUM.render({"event": {"n": 1}}) == 7
    assert worker not in fresh.workers


@pytest.mark.parametrize("boot", ["raise SystemExit(1)", "import os; os.write(1, b'x' * 10)", "import nothing_such"])
def test_one_that_cannot_start_is_an_error_that_may_pass(fresh, monkeypatch, boot):
    monkeypatch.setattr(pool, "_BOOT", boot)
    with pytest.raises(RenderUnavailableError, match="No render worker could be started"):
        SUM.render({"event": {"n": 1}})
    assert fresh.workers == []
    monkeypatch.setattr(pool, "START_SECONDS", 0.2)
    monkeypatch.setattr(pool, "_BOOT", "import time; time.sleep(90)")
    with pytest.raises(RenderUnavailableError):
        SUM.render({"event": {"n": 1}})


def test_it_says_why_it_cannot_start(fresh, monkeypatch):
    monkeypatch.setattr(
        pool,
        "_BOOT",
        pool._BOOT.replace("main()", "child = sys.modules[main.__module__]; child.warm_up = None; main()"),
    )
    with pytest.raises(RenderUnavailableError, match="TypeError: 'NoneType' object is not callable"):
        SUM.render({"event": {"n": 1}})


OWNER = """
import os, signal, sys, time
from automate_core.expressions.templating import compile_value
from automate_core.expressions.templating.pool import POOL
compile_value("{{ 1 + 1 }}").render({})
print(POOL.workers[0].pid, flush=True)
if sys.argv[1] == "kill":
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.extended
@pytest.mark.parametrize("how", ["kill", "exit"])
def test_it_ends_with_the_process_that_started_it(how):
    done = subprocess.run([sys.executable, "-c", OWNER, how], capture_output=True, text=True, timeout=300, check=False)
    wait_for(lambda: not alive(int(done.stdout)))


FORKING = """
import os, sys
from automate_core.expressions.templating import compile_value
from automate_core.expressions.templating.pool import POOL
template = compile_value("{{ n + 1 }}")
assert template.render({"n": 1}) == 2
mine = POOL.workers[0].pid
child = os.fork()
if child == 0:
    ok = POOL.workers == [] and template.render({"n": 2}) == 3 and POOL.workers[0].pid != mine
    POOL.close()
    os._exit(0 if ok else 1)
assert os.waitpid(child, 0)[1] == 0
assert template.render({"n": 3}) == 4 and POOL.workers[0].pid == mine
print("fine")
"""


@pytest.mark.extended
def test_a_forked_process_has_its_own():
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORKING],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.stdout == "fine\n", done.stderr


# --- many at once -----------------------------------------------------------------------------------------------------


@pytest.mark.extended
def test_threads_share_two_and_get_their_own_answers(fresh):
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda n: SUM.render({"event": {"n": n}}), range(300)))
    assert answers == [{"n": n + 1} for n in range(300)]
    assert 1 <= len(fresh.workers) <= 2


@pytest.mark.extended
def test_slow_ones_beside_it_delay_but_do_not_confuse(fresh):
    stop = threading.Event()

    def disturb():
        while not stop.is_set():
            with pytest.raises(TemplateError):
                compile_value({"a": ENDLESS}).render({})

    disturber = threading.Thread(target=disturb)
    disturber.start()
    try:
        for n in range(50):
            assert SUM.render({"event": {"n": n}}) == {"n": n + 1}
    finally:
        stop.set()
        disturber.join()


def test_when_none_is_free_in_time_it_may_be_tried_again(monkeypatch):
    own = RenderPool(1)
    monkeypatch.setattr(pool, "POOL", own)
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.1)
    worker = own._take()
    with pytest.raises(RenderUnavailableError, match="All render workers are busy"):
        SUM.render({"event": {"n": 1}})
    own._give_back(worker, is_well=True)
    assert SUM.render({"event": {"n": 1}}) == {"n": 2}
    own.close()
    assert own.workers == []


@pytest.mark.extended
def test_nothing_is_left_open(fresh):
    SUM.render({"event": {"n": 1}})
    before = len(os.listdir("/dev/fd"))
    for _ in range(3):
        with pytest.raises(TemplateError):
            compile_value({"a": "{{ event.zz + 1 }}"}).render({"event": {}})
        os.kill(fresh.workers[0].pid, 9)
        wait_for(lambda: not alive(fresh.workers[0].pid))
        SUM.render({"event": {"n": 1}})
    gc.collect()
    assert len(os.listdir("/dev/fd")) <= before


# --- what goes over ---------------------------------------------------------------------------------------------------


def test_a_worker_gets_only_what_is_looked_up(fresh):
    scope = {
        "event": {"payload": {"a": {"b": 1, "c": 2}, "secret": "s"}, "type": "t"},
        "steps": {"x": {"output": [1, 2]}, "y": {"output": 3}},
    }
    paths = (
        ("event", "payload", "a", "b"),
        ("steps", "x", "output", 0, "z"),
        ("nope",),
        ("event", "payload", "q", "r"),
    )
    assert needed(scope, paths) == {"event": {"payload": {"a": {"b": 1}}}, "steps": {"x": {"output": [1, 2]}}}
    both = (("event", "payload", "a", "b"), ("event", "payload"), ("event", "payload", "a"))
    assert needed(scope, both) == {"event": {"payload": scope["event"]["payload"]}}
    assert scope["event"]["payload"] == {"a": {"b": 1, "c": 2}, "secret": "s"}
    assert needed(scope, (("steps",),)) == {"steps": scope["steps"]}
    template = compile_value("{% for key in steps %}{{ key }}={{ steps[key].output }} {% endfor %}")
    assert template.render(scope) == "x=[1, 2] y=3 "


def test_an_error_names_what_is_there_though_a_worker_does_not_know(fresh):
    scope = {"event": {"payload": {"number": 1, "title": "x"}}}
    with pytest.raises(TemplateError) as caught:
        compile_value({"a": "{{ event.payload.title }}", "b": "x\n{{ event.payload.numbr + 1 }}"}).render(scope)
    assert caught.value.reason == "event.payload.numbr does not exist. Did you mean 'number'?"
    assert caught.value.line == 2


def test_frames_are_lengths_and_documents():
    assert frame(b"{}") == b"\x00\x00\x00\x02{}"


@pytest.mark.extended
def test_all_inputs_of_a_step_are_one_round_trip(fresh, monkeypatch):
    asked = []
    real = RenderProcess.render
    monkeypatch.setattr(RenderProcess, "render", lambda self, *parts: asked.append(parts) or real(self, *parts))
    value = {f"k{index}": "{{ event.n * " + str(index) + " }}" for index in range(50)}
    assert compile_value(value).render({"event": {"n": 2}}) == {f"k{index}": 2 * index for index in range(50)}
    assert len(asked) == 1


def test_the_pool_of_the_process_is_used_when_there_is_no_other():
    assert pool.POOL is POOL
