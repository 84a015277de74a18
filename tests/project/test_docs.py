"""The documentation says what is true: every name, command, setting, target and link in it resolves."""

from __future__ import annotations

import ast
import importlib
import itertools
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import get_commands

from automate_core import states
from automate_core.conf import DEFAULTS
from automate_core.moved import MOVED
from tests.conftest import ROOT

PAGES = sorted(
    [*ROOT.glob("*.md"), ROOT / "cli/README.md", *(ROOT / "docs").rglob("*.md"), *(ROOT / "bench").glob("*.md")]
)
TEXTS = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PAGES}


def _resolve(dotted):
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:length]))
        except ModuleNotFoundError:
            continue
        for name in parts[length:]:
            found = getattr(found, name)
        return found
    raise AssertionError(f"{dotted} cannot be imported")


def _all(pattern):
    return sorted({(page, match) for page, text in TEXTS.items() for match in re.findall(pattern, text)})


def test_dotted_names_resolve():
    named = [
        (where, name)
        for where, name in _all(r"`(automate_(?:[a-z]+)\.[A-Za-z_.]+?)(?:\(\))?`")
        if not (where == "docs/upgrading.md" and name.startswith(tuple(MOVED)))  # which says the old names, too
    ]
    assert len(named) > 100
    assert [(where, name) for where, name in named if _resolve(name) is None] == []


def test_imports_in_code_blocks_work():
    statements = {
        line.strip()
        for text in TEXTS.values()
        for line in text.splitlines()
        if re.match(r"from automate_\S+ import", line)
    }
    assert len(statements) >= 10
    for statement in statements:
        exec(statement, {})  # noqa: S102 - a line of our own documentation


def test_commands_exist():
    named = _all(r"manage\.py ([a-z_]+)")
    assert len(named) > 30
    assert [(where, command) for where, command in named if command not in get_commands()] == []


def test_make_targets_exist():
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    named = _all(r"`make ([a-z0-9-]+)")
    assert len(named) > 5
    assert [(where, target) for where, target in named if target not in targets] == []


def test_settings_are_real_and_all_are_listed():
    code = "".join(
        path.read_text()
        for folder in ("automate_site", "apps", "cli", "tests")
        for path in (ROOT / folder).rglob("*.py")
    )
    listed = set(re.findall(r"`(AUTOMATE_[A-Z_]+)`", TEXTS["docs/settings.md"]))
    assert {name for name in listed if name not in code} <= {"AUTOMATE_SECRET_NAME"}
    assert set(DEFAULTS) <= listed
    read = set(
        re.findall(
            r'environ(?:\.get\(|\[)"(AUTOMATE_[A-Z_]+)"',
            "".join(p.read_text() for p in (ROOT / "automate_site").rglob("*.py")),
        )
    )
    assert read <= listed, read - listed


def test_links_lead_somewhere():
    named = _all(r"\]\((?!https?://)([^)#]+)\)")
    assert len(named) > 60
    assert [(where, link) for where, link in named if not (ROOT / Path(where).parent / link).exists()] == []


def test_the_six_hops_are_the_six_hops():
    rows = [line for line in TEXTS["README.md"].splitlines() if re.match(r"\| [1-6] \|", line)]
    assert len(rows) == 6
    assert all("`automate_" in row for row in rows)


def test_the_readme_counts_connectors_and_providers():
    from automate_connectors.oauth.catalogue import own_providers

    listed = re.findall(r"^\| \[[^]]+\]\(\w+\.md\) \|", TEXTS["docs/connectors/README.md"], re.MULTILINE)
    features, comparison = TEXTS["README.md"].split("## Features")[1].split("## Compared")
    assert f"[{len(listed)} built-in ones]" in features and f"| {len(listed)} built-in connectors" in comparison
    assert f"[{len(own_providers())} OAuth providers]" in features
    assert f"- {len(own_providers())} OAuth providers" in TEXTS["CHANGELOG.md"]


def test_entry_point_groups_are_ours():
    from automate_operations.plugin_list import KINDS

    groups = {match for _, match in _all(r'project\.entry-points\."([^"]+)"')}
    assert groups == {kind.registry.group for kind in KINDS} - {""}


@pytest.mark.parametrize(
    ("chart", "edges"),
    [
        ("OutboxJob", states.JOB_EDGES),
        ("ExecutionRun", states.RUN_EDGES),
        ("StepRun", states.STEP_EDGES),
        ("Wait", states.WAIT_EDGES),
        ("BulkAction", states.BULK_EDGES),
        ("Erasure", states.ERASURE_EDGES),
        ("Notification", states.NOTIFICATION_EDGES),
    ],
)
def test_the_charts_show_the_edges_of_the_code(chart, edges):
    section = TEXTS["docs/state-machines.md"].split(f"## {chart}")[1].split("\n## ")[0]
    drawn = set(re.findall(r"(\w+) --> (\w+)", section))
    assert drawn == {(source, target) for source, targets in edges.items() for target in targets}


def test_every_fixed_name_is_where_it_is_promised():
    for name in (
        "automate_connectors.adapters.base.ConnectorAdapter",
        "automate_connectors.adapters.base.ConnectorError",
        "automate_governance.secrets.interfaces.SecretsBackend",
        "automate_governance.secrets.interfaces.SecretNotFoundError",
        "automate_llm.providers.base.LLMProvider",
        "automate_testing.contracts.ConnectorContractTest",
    ):
        assert _resolve(name).__name__ == name.rpartition(".")[2]


def test_partials_begin_with_a_comment_that_names_their_variables():
    for path in (ROOT / "templates").rglob("*.html"):
        first = list(itertools.takewhile(lambda line: line.startswith("{# "), path.read_text().splitlines()))
        assert first and all(line.endswith(" #}") for line in first), path
        assert any("Variables:" in line or "Blocks:" in line for line in first), path


def test_classes_in_the_comments_of_templates_are_there():
    """`module.Class`, so that who reads a partial finds what it is given."""
    known = {
        (path.stem, name)
        for path in (ROOT / "apps").rglob("*.py")
        for name in re.findall(r"^ *class (\w+)", path.read_text(), re.MULTILINE)
    }
    named = {
        (path.name, *found)
        for path in (ROOT / "templates").rglob("*.html")
        for comment in re.findall(r"\{#.*?#\}", path.read_text())
        for found in re.findall(r"\b([a-z_]+)\.([A-Z]\w+)", comment)
    }
    assert len(named) > 50 and [each for each in named if each[1:] not in known] == []


def test_vendored_files_have_a_version_and_a_licence():
    for folder in (ROOT / "static" / "automate_studio" / "vendor").iterdir():
        assert re.search(r"-\d+\.\d+", folder.name) and (folder / "LICENSE").exists(), folder


def test_nothing_shipped_speaks_to_another_host():
    for path in [
        *(ROOT / "templates").rglob("*.html"),
        *(ROOT / "static").rglob("*.js"),
        *(ROOT / "static").rglob("*.css"),
    ]:
        if "vendor" not in path.parts:
            assert not re.search(r"(?:src|href|url\()\s*=?\s*[\"']?(?:https?:)?//(?!www\.w3\.org)", path.read_text()), (
                path
            )


def test_the_catalogue_of_schemes_is_that_of_the_code():
    from automate_core.webhooks.schemes.generic import BasicScheme, BearerScheme, HmacScheme, UnsignedScheme
    from automate_core.webhooks.schemes.registry import SCHEMES

    section = TEXTS["docs/webhooks.md"].split("## Schemes")[1].split("\n## ")[0]
    written = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", section, re.MULTILINE)
    assert written == [(code, each.name, each.proof, each.key, each.kind) for code, each in SCHEMES.items()]
    explained = set(re.findall(r"`([a-z_]+)`", section))
    for scheme in (HmacScheme, BearerScheme, BasicScheme, UnsignedScheme):
        assert set(scheme.rules_type.__dataclass_fields__) <= explained


def test_the_scripts_and_their_attributes_are_listed():
    scripts = ROOT / "static" / "automate_studio"
    written = {
        module: set(re.findall(r"`(data-[a-z-]+)`", attributes))
        for module, attributes in re.findall(r"^\| `([\w/-]+\.js)` \| [^|]+ \|(.*)\|$", TEXTS["docs/frontend.md"], re.M)
    }
    used = {}
    for path in scripts.rglob("*.js"):
        if "vendor" in path.parts:
            continue
        code = path.read_text()
        names = set(re.findall(r"\[(data-[a-z-]+)|Attribute\(\"(data-[a-z-]+)", code))
        properties = re.findall(r"dataset\??\.(\w+)", code)
        used[path.relative_to(scripts).as_posix()] = {first or second for first, second in names} | {
            "data-" + re.sub("[A-Z]", lambda found: f"-{found[0].lower()}", each) for each in properties
        }
    assert written == used


def test_keys_in_examples_of_python_are_keys():
    """The trigger of `start` and the step of `decide` have to be valid, as the definition has them."""
    key, wrong, seen = re.compile(r"[a-z][a-z0-9_]{0,63}"), [], 0
    for page, content in TEXTS.items():
        for block in re.findall(r"^```python\n(.*?)^```", content, re.M | re.S):
            try:
                calls = [node for node in ast.walk(ast.parse(block)) if isinstance(node, ast.Call)]
            except SyntaxError:  # a part of a statement, such as an entry of a setting
                continue
            for call in calls:
                name = getattr(call.func, "id", "")
                named = [each.value for each in call.keywords if name == "start" and each.arg == "trigger"]
                for value in [*named, *(call.args[1:2] if name == "decide" else [])]:
                    if isinstance(value, ast.Constant):
                        seen += 1
                        wrong += [] if key.fullmatch(value.value) else [(page, value.value)]
    assert seen >= 2 and not wrong


@pytest.mark.extended
def test_the_documentation_site_builds_without_a_warning():
    """Links and anchors between pages among them."""
    zensical = Path(sys.executable).parent / "zensical"
    made = subprocess.run(
        [zensical, "build", "--strict", "--clean", "-f", "zensical.toml"], cwd=ROOT, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr
