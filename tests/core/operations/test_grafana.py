"""The dashboard and the alert rules name metrics that exist, with labels that these have."""

from __future__ import annotations

import json
import re

import pytest
import yaml

from automate_telemetry.metrics.collector import AutomateCollector
from automate_telemetry.metrics.families import BOUNDS
from tests.conftest import ROOT
from tests.support.metrics import fill_metrics

pytestmark = pytest.mark.django_db

FOLDER = ROOT / "docs/grafana"
BY_PROMETHEUS = {"job", "instance"}
#: What else stands in an expression.
WORDS = {
    "by",
    "and",
    "absent",
    "max",
    "min",
    "sum",
    "rate",
    "increase",
    "topk",
    "time",
    "histogram_quantile",
    "label_values",
}


@pytest.fixture
def known(owner):
    """The labels of each sample by its name."""
    fill_metrics(owner)
    found = {}
    for family in AutomateCollector().collect():
        if family.type == "gauge":
            found[family.name] = set()
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def problems(expression, known):
    """Names that are no metric, labels that a metric lacks, and parentheses that do not match."""
    if expression.count("(") != expression.count(")") or expression.count("{") != expression.count("}"):
        yield f"unbalanced: {expression}"
    bare = re.sub(r'"[^"]*"', '""', expression.replace("$__rate_interval", "5m"))
    names = set(re.findall(r"\bautomate_\w+", bare))
    if not names:
        yield f"no metric: {expression}"
    yield from (f"{name} in {expression}" for name in names - known.keys())
    labels = set().union(*(known.get(name, set()) for name in names)) | BY_PROMETHEUS
    for name, selected in re.findall(r"(automate_\w+)\{([^}]*)\}", bare):
        used = set(re.findall(r"(\w+)\s*[=!]", selected))
        yield from (f"{label} of {name}" for label in used - known.get(name, set()) - BY_PROMETHEUS)
    for group in re.findall(r"\bby \(([^)]*)\)", bare):
        yield from (f"by {label} in {expression}" for label in set(re.split(r",\s*", group)) - labels)
    rest = re.sub(r"\{[^}]*\}|\[[^]]*\]|\bby \([^)]*\)|automate_\w+", " ", bare)
    yield from (f"{word} in {expression}" for word in set(re.findall(r"[a-z_]+", rest)) - WORDS - {"job"})


def test_the_dashboard_shows_metrics_that_exist(known):
    dashboard = json.loads((FOLDER / "automate.json").read_text())
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    expressions = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(panels) >= 20 and len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    variables = [each["definition"] for each in dashboard["templating"]["list"] if "definition" in each]
    assert [found for each in [*expressions, *variables] for found in problems(each, known)] == []
    legends = {(target["expr"], target["legendFormat"]) for panel in panels for target in panel["targets"]}
    for expression, legend in legends:
        assert set(re.findall(r"\{\{(\w+)\}\}", legend)) <= set(re.findall(r"\w+", expression)), legend
    shown = {name for each in expressions for name in re.findall(r"automate_\w+", each)}
    left_out = {"automate_build_info", "automate_queue_lanes", "automate_scrape_seconds", "automate_polls"}
    left_out |= {f"automate_{name}" for name in ("service_webhooks", "llm_calls_today", "retention_running")}
    left_out |= {f"automate_audit_{name}" for name in ("faults", "verified_seconds")}  # alerts alone
    left_out |= {"automate_disk_free_bytes", "automate_disk_size_bytes", "automate_llm_budgets_refusing"}  # likewise
    left_out |= {f"automate_retention_{name}" for name in ("last_finished_timestamp_seconds", "deleted_rows")}
    families = {re.sub(r"_(bucket|count|sum)$", "", name) for name in known if not name.endswith("_created")}
    assert families - {re.sub(r"_bucket$", "", name) for name in shown} == left_out


def test_no_panels_overlap():
    taken = set()
    for panel in json.loads((FOLDER / "automate.json").read_text())["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and max(x for x, _ in cells) < 24, panel["title"]
        taken |= cells


def test_alert_rules_use_metrics_that_exist(known):
    [group] = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    assert len({rule["alert"] for rule in group["rules"]}) == len(group["rules"]) >= 10
    for rule in group["rules"]:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "description"}
        assert re.fullmatch(r"\d+[smhd]", rule.get("for", "1m"))
        assert list(problems(rule["expr"], known)) == [], rule["alert"]


@pytest.mark.parametrize(
    "metric", ["automate_disk_free_bytes", "automate_llm_budgets_refusing", "automate_audit_faults"]
)
def test_what_stops_the_site_has_an_alert(metric):
    [group] = yaml.safe_load((FOLDER / "alerts.yaml").read_text())["groups"]
    assert any(metric in rule["expr"] for rule in group["rules"])


def test_a_missing_metric_and_a_missing_label_are_found(known):
    """The check of this file finds what it is for."""
    assert list(problems("sum(automate_jobs)", known)) == ["automate_jobs in sum(automate_jobs)"]
    assert list(problems('max(automate_runs_total{lane="1"})', known)) == ["lane of automate_runs_total"]
    assert list(problems("max by (lane) (automate_runs_total)", known)) != []
    assert list(problems("maximum(automate_runs_total)", known)) != []


def test_thresholds_of_histograms_have_a_bucket_near_them():
    """An alert at 60 s is made of buckets around it."""
    assert any(30 <= bound <= 60 for bound in BOUNDS) and any(60 <= bound <= 90 for bound in BOUNDS)
