"""Messages of the screens: extraction, catalogues, and what is not marked yet.

messages.py update     extract all messages and merge them into the catalogues of each app
messages.py compile    write the .mo files (also done by the set-up script and when the wheel is built)
messages.py inventory  write build/messages.tsv: place, kind and text of every message
messages.py unmarked   print texts that look as if people read them and are not marked; exit 1 if there are any
"""

from __future__ import annotations

import ast
import datetime as dt
import io
import re
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parent.parent
LANGUAGES = ("de",)
#: Function -> positions of its messages, as Babel writes them.
KEYWORDS: dict[str, Any] = {
    "_": None,
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "text": None,
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "ntext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}
#: Libraries without an entry in INSTALLED_APPS: Django reads no catalogues of theirs.
_LIBRARIES = {"automate_egress", "automate_plugins"}
#: Messages that Django translates otherwise or not at all. Studio comes before Django's apps, so its texts win.
_UNLIKE_DJANGO = (
    "Administration",
    "Email",
    "None",
    "Save and add another",
    "Save and continue editing",
    "Save and view",
    "After you\u2019ve created a user, you\u2019ll be able to edit more user options.",
    "Conflicting form data submitted. Please try again.",
    "Disable password-based authentication",
    "Enable password-based authentication",
    "Enable password-based authentication for this user by setting a password.",
    "Password-based authentication",
    "Password-based authentication was disabled.",
    "Raw passwords are not stored, so there is no way to see the user\u2019s password.",
    "Please enter your old password, for security\u2019s sake, and then enter your new password twice so we can "
    "verify you typed it in correctly.",
    "Reset password",
    "Set password",
    "Set password: %s",
    "Enter the same password as before, for verification.",
    "Thanks for spending some quality time with the web site today.",
    "This action will <strong>enable</strong> password-based authentication for this user.",
    "Whether the user will be able to authenticate using a password or not. If disabled, they may still be able to "
    "authenticate using other backends, such as Single Sign-On or LDAP.",
)
_TEMPLATING = ROOT / "apps" / "automate_core" / "expressions" / "templating"


@dataclass(frozen=True)
class Message:
    app: str
    domain: str  #: `django` or `djangojs`
    place: str
    id: str | tuple[str, ...]
    context: str | None = None


def apps() -> Iterator[Path]:
    """Folders of the apps that have messages."""
    yield from (
        path.parent for path in sorted(ROOT.glob("apps/*/__init__.py")) if path.parent.name != "automate_testing"
    )
    yield ROOT / "automate_site"


def app_of(path: Path) -> str:
    """The app to whose catalogue a file's messages belong: the lowest one for packages that Django does not know."""
    parts = path.relative_to(ROOT).parts
    if parts[:2] in {("apps", "automate_plugins"), ("apps", "automate_egress")}:
        return "automate_governance"
    match parts[0]:
        case "apps":
            return "automate_governance" if parts[1] in _LIBRARIES else parts[1]
        case "templates" | "static" if len(parts) > 2 and (ROOT / "apps" / parts[1]).is_dir():
            return parts[1]
        case "templates" if len(parts) == 2:
            return "automate_site"
    return parts[0] if parts[0] == "automate_site" else "automate_studio"


def python_files() -> Iterator[Path]:
    for app in apps():
        for path in sorted(app.rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def html_files() -> Iterator[Path]:
    yield from sorted((ROOT / "templates").rglob("*.html"))


def script_files() -> Iterator[Path]:
    yield from (path for path in sorted((ROOT / "static").rglob("*.js")) if "vendor" not in path.parts)


def messages() -> Iterator[Message]:
    """Every marked message of the sources."""
    for path in python_files():
        yield from _extracted(path, "python", path.read_bytes())
    for path in [_TEMPLATING / "functions.py", *sorted((_TEMPLATING / "filters").glob("*.py"))]:
        yield from _function_descriptions(path)
    for path in html_files():
        yield from _extracted(path, "python", _template_as_python(path))
    for path in script_files():
        yield from _extracted(path, "javascript", path.read_bytes(), domain="djangojs")
    for path in sorted((ROOT / "apps" / "automate_authoring" / "automate_templates").glob("*.yaml")):
        yield from _workflow_template_messages(path)
    yield from _oauth_provider_messages(ROOT / "apps" / "automate_connectors" / "oauth" / "providers.toml")
    for path in sorted((ROOT / "apps" / "automate_connectors").glob("*/*/connector.yaml")):
        yield from _connector_messages(path)
    yield from _table_messages()
    yield from _unfold_messages()
    for text in _UNLIKE_DJANGO:
        yield Message("automate_studio", "django", "scripts/messages.py:1", text)


def _extracted(path: Path, method: str, source: bytes, domain: str = "django") -> Iterator[Message]:
    place = str(path.relative_to(ROOT))
    for line, message, _comments, context in extract(method, io.BytesIO(source), KEYWORDS):
        if message and message != ("", ""):
            yield Message(app_of(path), domain, f"{place}:{line}", message, context)


def _template_as_python(path: Path) -> bytes:
    from django.utils.translation.template import templatize

    text = templatize(path.read_text(encoding="utf-8"), origin=str(path))
    return "\n".join(line.strip() for line in text.splitlines()).encode()


def _function_descriptions(path: Path) -> Iterator[Message]:
    """Docstrings of the functions and filters of expressions, which the builder shows."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        is_offered = isinstance(node, ast.FunctionDef) and (
            path.name == "functions.py"
            or any(isinstance(each, ast.Call) and ast.unparse(each.func) == "offer" for each in node.decorator_list)
        )
        if is_offered and (words := ast.get_docstring(node)):
            yield Message("automate_core", "django", f"{path.relative_to(ROOT)}:{node.lineno}", " ".join(words.split()))


def _workflow_template_messages(path: Path) -> Iterator[Message]:
    from ruamel.yaml import YAML

    from automate_authoring.library.template_texts import texts

    for text in texts(YAML(typ="safe").load(path.read_text(encoding="utf-8"))):
        yield Message("automate_authoring", "django", f"{path.relative_to(ROOT)}:1", text)


def _oauth_provider_messages(path: Path) -> Iterator[Message]:
    """What the form of a connection shows of providers: labels and help of parts of addresses, names with words."""
    for row in tomllib.loads(path.read_text(encoding="utf-8")).values():
        if "(" in row["name"]:
            yield Message("automate_connectors", "django", f"{path.relative_to(ROOT)}:1", row["name"])
        for parameter in row.get("parameters", {}).values():
            for text in filter(None, (parameter["label"], parameter.get("help"))):
                yield Message("automate_connectors", "django", f"{path.relative_to(ROOT)}:1", text)


def _connector_messages(path: Path) -> Iterator[Message]:
    from automate_connectors.declared.document_texts import texts
    from automate_connectors.declared.loading import load_document

    for text in texts(load_document(path)):
        yield Message("automate_connectors", "django", f"{path.relative_to(ROOT)}:1", text)


def _table_messages() -> Iterator[Message]:
    """What people read of the actions, polls and settings of connectors in Python."""
    from automate_connectors.adapters.tables import texts

    adapters = (ROOT / "apps" / "automate_connectors" / "adapters").rglob("*.yaml")
    tables = [path for path in adapters if path.name != "connector.yaml"]
    for path in sorted([*tables, ROOT / "apps" / "automate_llm" / "connector.yaml"]):
        for text in texts(path):
            yield Message(app_of(path), "django", f"{path.relative_to(ROOT)}:1", text)


def _unfold_messages() -> Iterator[Message]:
    """Texts of the admin's theme, which has no catalogues of its own, as far as Django has none of them."""
    import django
    import unfold

    known = {
        message.id
        for path in Path(django.__file__).parent.glob("**/locale/de/LC_MESSAGES/django.po")
        for message in read_po(io.BytesIO(path.read_bytes()))
    }
    folder = Path(unfold.__file__).parent
    for path in [*sorted((folder / "templates").rglob("*.html")), *sorted(folder.rglob("*.py"))]:
        source = _template_as_python(path) if path.suffix == ".html" else path.read_bytes()
        for _line, message, _comments, context in extract("python", io.BytesIO(source), KEYWORDS):
            if message and message not in known:
                yield Message("automate_studio", "django", f"unfold/{path.relative_to(folder)}:1", message, context)


def catalogues() -> dict[tuple[str, str], Catalog]:
    """The messages of each (app, domain)."""
    found: dict[tuple[str, str], Catalog] = {}
    for message in messages():
        catalog = found.setdefault((message.app, message.domain), Catalog(domain=message.domain, fuzzy=False))
        place, _colon, _line = message.place.rpartition(":")
        catalog.add(message.id, locations=[(place, 0)], context=message.context)
    return found


def catalogue_path(app: str, language: str, domain: str) -> Path:
    base = ROOT / app if app == "automate_site" else ROOT / "apps" / app
    return base / "locale" / language / "LC_MESSAGES" / f"{domain}.po"


def update() -> None:
    """Merge what the sources say into the catalogues; messages that are no longer used go.

    A message that is new to a catalogue takes the translation that it had in another one: its module moved.
    """
    elsewhere = {
        language: {
            (message.id, message.context): message.string
            for path in sorted(ROOT.glob(f"apps/*/locale/{language}/LC_MESSAGES/*.po"))
            for message in read_po(io.BytesIO(path.read_bytes()), locale=language)
        }
        for language in LANGUAGES
    }
    for (app, domain), template in catalogues().items():
        for language in LANGUAGES:
            path = catalogue_path(app, language, domain)
            catalog = Catalog(locale=language, domain=domain, project="Django Automate", fuzzy=False)
            catalog.header_comment = (
                "# Texts of Django Automate. Written by scripts/messages.py update; translate here."
            )
            old = read_po(io.BytesIO(path.read_bytes()), locale=language) if path.exists() else None
            for message in template:
                if message.id:
                    known = old.get(message.id, message.context) if old else None
                    places: Any = [(name, None) for name in sorted({name for name, _line in message.locations})]
                    string = known.string if known else elsewhere[language].get((message.id, message.context))
                    catalog.add(message.id, string, context=message.context, locations=places)
            path.parent.mkdir(parents=True, exist_ok=True)
            data = io.BytesIO()
            write_po(data, catalog, width=120, sort_output=True, omit_header=False, include_lineno=False)
            lines = data.getvalue().decode().splitlines(keepends=True)
            path.write_text("".join(line for line in lines if not _is_dated(line)), encoding="utf-8")


def _is_dated(line: str) -> bool:
    return line.startswith(
        (
            '"Project-Id',
            '"Language-Team',
            '"POT-Creation-Date',
            '"PO-Revision-Date',
            '"Generated-By',
            '"Report-Msgid',
            '"Last-Trans',
        )
    )


_NO_DATE = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)  #: in place of now: the same texts are the same bytes


def compile_catalogues(root: Path = ROOT) -> None:
    """Write a .mo file beside each .po file that is newer or has none."""
    for path in sorted(root.glob("**/locale/*/LC_MESSAGES/*.po")):
        if {"node_modules", ".venv", "build"} & set(path.relative_to(root).parts):
            continue
        with path.open("rb") as source, path.with_suffix(".mo").open("wb") as target:
            catalogue = read_po(source, locale=path.parent.parent.name)
            catalogue.creation_date = catalogue.revision_date = _NO_DATE
            write_mo(target, catalogue)


def inventory() -> None:
    """Write the review table."""
    target = ROOT / "build" / "messages.tsv"
    target.parent.mkdir(exist_ok=True)
    with target.open("w", encoding="utf-8") as table:
        for message in messages():
            text = " | ".join(message.id) if isinstance(message.id, tuple) else message.id
            kind = Path(message.place.partition(":")[0]).suffix.lstrip(".")
            table.write(f"{message.place}\t{kind}\t{' '.join(text.split())}\n")
    print(target.relative_to(ROOT))


# What is not marked

_MARKED = re.compile(
    r"{#.*?#}|{%\s*comment.*?endcomment\s*%}|{%\s*(blocktrans|blocktranslate)\b.*?{%\s*end\1\s*%}"
    r"|<(script|style|code|pre|kbd|svg)\b.*?</\2>|<span[^>]*material-symbols-outlined[^>]*>.*?</span>",
    re.DOTALL,
)
_TAG = re.compile(r"{%.*?%}|{{.*?}}", re.DOTALL)
_ATTRIBUTE = re.compile(
    r"\b(title|aria-label|aria-description|placeholder|alt|label|hx-confirm|hx-prompt|data-(?!st\b|icon\b)[\w-]+)=\"([^\"]*)\""
)
_LITERAL = re.compile(r"""(_\()?(?P<quote>["'])(?P<text>[^"'\n]*)(?P=quote)""")
#: Words that are the same in every language, and names.
_NEUTRAL = re.compile(
    r"(?:JSON|YAML|CSV|URL|ID|HTML|SQL|API|UTC|HTTP|GET|POST|PUT|PATCH|DELETE|OK|Ctrl|Shift|Esc|Enter|Tab|Alt|ms|kB|MB|GB|min"
    r"|Django|Automate|Slack|GitHub|OAuth|Webhook|webhook|p50|p95|x|s|h|d|m|rev|trace_id|[a-z_]+\.[a-z_.]+|https?:\S*|\W|\d)+"
)


def unmarked(paths: list[str]) -> list[str]:
    """`file:line: text` of each text that is not marked, in all sources or in those below `paths`."""
    wanted = [str(Path(path).resolve()) for path in paths]

    def chosen(files: Iterator[Path]) -> Iterator[Path]:
        return (path for path in files if not wanted or any(str(path).startswith(each) for each in wanted))

    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}" for path in chosen(html_files()) for line, text in in_html(path)
    ]
    found += [
        f"{path.relative_to(ROOT)}:{line}: {text}" for path in chosen(python_files()) for line, text in in_python(path)
    ]
    return found


def in_html(path: Path) -> Iterator[tuple[int, str]]:
    """Texts between tags, in attributes that people read, and in arguments of template tags."""
    source = path.read_text(encoding="utf-8")
    blank = lambda match: re.sub(r"[^\n]", " ", match.group())  # noqa: E731
    rest = _MARKED.sub(blank, source)
    for match in _TAG.finditer(rest):
        if re.match(
            r"{%\s*(trans|translate|load|url|static|extends|block|endblock|partial\w*|if|elif|ifequal)\b", match.group()
        ):
            continue
        for literal in _LITERAL.finditer(match.group()):
            text = literal["text"]
            if not literal[1] and re.match(r"[A-Z][a-z]", text) and not _NEUTRAL.fullmatch(text):
                yield source.count("\n", 0, match.start()) + 1, text
    bare = _TAG.sub(blank, rest)
    for match in _ATTRIBUTE.finditer(bare):
        name, text = match.groups()
        is_text = (
            re.search(r"[A-Z][a-z]|[a-z]{2} [a-z]", text)
            if name.startswith("data-")
            else re.search(r"[A-Za-z]{2}", text)
        )
        if is_text and not _NEUTRAL.fullmatch(text):
            yield source.count("\n", 0, match.start()) + 1, " ".join(text.split())
    for match in re.finditer(r">([^<>]*[A-Za-z]{2}[^<>]*)(?=<|$)", re.sub(r"=\"[^\"]*\"", blank, bare)):
        text = " ".join(match[1].split())
        if text and not _NEUTRAL.fullmatch(text):
            yield (
                source.count("\n", 0, match.start(1))
                + 1
                + match[1][: len(match[1]) - len(match[1].lstrip())].count("\n"),
                text,
            )


#: Whose texts are for developers, operators and logs: English, not marked.
_ENGLISH = re.compile(
    r"/(checks|management|migrations|scaffold|demo|providers|automate_operations/backup)/|automate_api/v1/openapi"
    r"|/(checks|scaffolding|docs|settings|conf|startup|asgi|wsgi|environment|command_line|embedded_postgres|server"
    r"|site_lock|generate_key|older_releases|moved|outbound|model_allowlist|model_registry|roles|governed|event_types|keyring|policy)\.py$"
    r"|automate_llm/(actions|prompts|apps)\.py$"  # instructions for language models
    r"|declared/folder\.py$"
    r"|core/webhooks/(answers|bodies|cloudevents)\.py$|waits/callbacks\.py$|automate_site/views\.py$"  # for programs
    r"|json/editor\.py$|templating/(grammar|reference)\.py$|(definition|declared)/parsing\.py$"  # of libraries' texts
)
#: Literals that are no texts: headers, and names of permissions, which the database holds.
_NO_TEXT = re.compile(
    r"(Bearer|Basic|Slack) x|Bearer realm=.*|Can (operate|administer|read|view|find) .*"
    r"|Django Automate|Standard Webhooks"
    r"|A test"
)
_SENTENCE = re.compile(r"(?:[A-Z][a-z]+|A|I|An)(?: [\w%'(\"-]+){1,}[^A-Z_]*|[A-Z][a-z]+ [a-z].*", re.DOTALL)
_SCHEMAS = re.compile(r"automate_api/(v1|mcp)/")  #: whose fields are described in English, for programs
_DEVELOPERS = re.compile(
    r"(log|logger|_log|logging)\.|(\b|_)(RuntimeError|ImproperlyConfigured|TypeError|NotImplementedError|AssertionError)"
)


def in_python(path: Path) -> Iterator[tuple[int, str]]:
    """String literals that read as sentences or labels of several words and are no argument of a marking function."""
    if _ENGLISH.search("/" + str(path.relative_to(ROOT))):
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    english = {"sample", *(["description"] if _SCHEMAS.search(str(path)) else [])}  # a sample is as a service sends it
    skipped: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            skipped.update(id(each) for each in ast.walk(node.value))
        elif isinstance(node, ast.Call) and (
            ast.unparse(node.func) in KEYWORDS or _DEVELOPERS.match(ast.unparse(node.func))
        ):
            skipped.update(id(each) for argument in node.args for each in ast.walk(argument))
        elif isinstance(node, ast.keyword) and node.arg in english:
            skipped.update(id(each) for each in ast.walk(node.value))
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            if id(node) in skipped:
                continue
            skipped.update(id(each) for each in node.values)
            text = "".join(str(each.value) if isinstance(each, ast.Constant) else "x" for each in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped:
            text = node.value
        else:
            continue
        if (
            _SENTENCE.fullmatch(text)
            and not _NO_TEXT.fullmatch(text)
            and not re.search(r"\b(SELECT|INSERT|UPDATE|WHERE|CREATE)\b", text)
        ):
            yield node.lineno, " ".join(text.split())[:160]


def main(arguments: list[str]) -> int:
    match arguments:
        case ["update"]:
            update()
            compile_catalogues()
        case ["compile", *_rest]:
            compile_catalogues()
        case ["inventory"]:
            inventory()
        case ["unmarked", *paths]:
            found = unmarked(paths)
            print("\n".join(found))
            return 1 if found else 0
        case _:
            print(__doc__)
            return 2
    return 0


def _setup() -> None:
    from django.conf import settings

    if not settings.configured:
        settings.configure()


if __name__ == "__main__":
    _setup()
    sys.exit(main(sys.argv[1:]))
