"""JSON log lines: one object a line, with the ids of the run, masked, and without a change of the record."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys

import pytest

from automate_connectors.adapters.base import ConnectorAdapter
from automate_connectors.registry import connectors
from automate_core.models import ExecutionRun
from automate_governance.redaction import json_logs, log_redaction
from automate_governance.redaction.json_logs import JsonFormatter, LogIds
from automate_governance.redaction.redactor import learn

SECRET = "s3cret-value-of-the-tests"


@pytest.fixture(autouse=True)
def _no_ids_afterwards(monkeypatch):
    """Walks of later tests set no ids."""
    monkeypatch.setattr(json_logs, "is_used", False)


@pytest.fixture
def lines():
    """What a handler of the root logger has written, parsed line by line."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    handler.addFilter(log_redaction.RedactingFilter())
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in stream.getvalue().split("\n") if line]
    root.removeHandler(handler)
    root.setLevel(level)


def test_a_record_is_one_object_on_one_line(lines):
    logging.getLogger("shop.orders").warning("Two\nlines \u2028 %s", "ü", extra={"order": 17, "at": object()})
    [line] = lines()
    assert line["message"] == "Two\nlines \u2028 ü"
    assert (line["level"], line["logger"]) == ("WARNING", "shop.orders")
    assert line["extra"] == {"order": 17, "at": "<object>"}
    assert line["time"].endswith("Z") and "exception" not in line and "run" not in line


def test_odd_values_and_arguments_still_make_a_line():
    record = logging.LogRecord("shop", logging.INFO, "", 1, "%d items", ("many",), None)
    record.half = "\ud800"
    record.deep = {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}, 1: float("nan")}
    line = json.loads(JsonFormatter().format(record))
    assert line["message"] == "%d items" and line["extra"]["deep"]["1"] == "nan"
    assert line["extra"]["half"] == "\ud800"
    assert "<dict>" in json.dumps(line["extra"])


def test_exceptions_are_inside(lines):
    try:
        raise ValueError(f"wrong: {SECRET}")
    except ValueError:
        learn(SECRET)
        logging.getLogger("shop").exception("Failed with %s", SECRET, extra={"token": [SECRET]})
    [line] = lines()
    assert line["exception"]["type"] == "ValueError"
    assert "Traceback" in line["exception"]["traceback"] and "raise ValueError" in line["exception"]["traceback"]
    assert SECRET not in json.dumps(line) and line["message"].startswith("Failed with ")


def test_the_formatter_masks_without_the_filter():
    learn(SECRET)
    record = logging.LogRecord("shop", logging.INFO, "", 1, 'quoted "%s"\n', (SECRET,), None)
    assert SECRET not in JsonFormatter().format(record)


def test_the_record_stays_as_it_was():
    try:
        raise ValueError("no")
    except ValueError:
        record = logging.LogRecord("shop", logging.INFO, "", 1, "a %s", ("b",), sys.exc_info())
    before = dict(vars(record))
    with LogIds({"run": "1"}):
        JsonFormatter().format(log_redaction.RedactingFilter().filter(record))
        JsonFormatter().format(record)
    assert vars(record) == before


def test_inner_ids_add_to_outer_ones(lines):
    log = logging.getLogger("shop")
    with LogIds({"run": "1", "trace": "t"}):
        with LogIds({"step": "a", "attempt": 2}):
            log.info("inside")
        log.info("outside")
    log.info("after")
    found = [{name: line.get(name) for name in ("run", "trace", "step", "attempt")} for line in lines()]
    assert [list(each.values()) for each in found] == [
        ["1", "t", "a", 2],
        ["1", "t", None, None],
        [None, None, None, None],
    ]


def test_uncaught_exceptions_are_lines_too(lines, capsys):
    log_redaction._print_redacted(ValueError, ValueError("no"), None)
    [line] = lines()
    assert line["level"] == "CRITICAL" and line["exception"]["type"] == "ValueError"
    assert capsys.readouterr().err.count("ValueError") <= 1, "not printed as well"


class Shop(ConnectorAdapter):
    """Logs by Python's logging, as a library would."""

    code = "shop"
    name = "Shop"

    def execute(self, action, params, context):
        logging.getLogger("shop.erp").warning("No stock")
        raise RuntimeError("no anvils")


@pytest.mark.django_db(transaction=True)
def test_lines_of_a_connector_name_its_run_and_step(lines, workflow, deliver, drain, monkeypatch):
    monkeypatch.setitem(connectors._usable, "shop", Shop())
    workflow("name: Flow\nslug: flow\ntriggers: [{endpoint: github}]\nsteps: [{key: order, action: shop.order}]\n")
    deliver()
    drain()
    run = ExecutionRun.objects.get()
    [line] = [each for each in lines() if each["logger"] == "shop.erp"]
    ids = {"run": str(run.pk), "workflow": "flow", "trace": run.trace_id, "step": "order", "attempt": 1}
    assert ids.items() <= line.items()


@pytest.mark.extended
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(("given", "starts"), [("json", '{"time": "'), ("text", "20")])
def test_the_site_writes_the_format_of_its_variable(manage, environment, given, starts):
    code = "import logging; logging.getLogger('shop').warning('No stock')"
    said = subprocess.run(
        [*manage, "shell", "--no-imports", "-c", code],
        env={**environment, "AUTOMATE_LOG_FORMAT": given},
        capture_output=True,
        text=True,
    )
    assert said.returncode == 0 and said.stderr.startswith(starts), said.stderr
    assert said.stderr.count("\n") == 1 and "No stock" in said.stderr
