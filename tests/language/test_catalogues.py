"""Every text of the screens is marked, plain, and translated whole."""

from __future__ import annotations

import collections
import functools
import io
import re

import pytest
from babel.messages.pofile import read_po
from django.utils import translation

from automate_authoring.library import files
from automate_authoring.library.template_texts import map_texts
from automate_core.definition.slots import walk
from scripts import messages
from tests.conftest import ROOT

#: Texts that no one reads, or that are the same in every language, by file.
NOT_FOR_PEOPLE = {
    # OpenAPI documents are in English
    "apps/automate_api/v1/resources/runs/runs.py": {"With wait: the reply of the run, of any status and type."},
    "apps/automate_studio/help/readers.py": {"Build workflows"},  # the name of a section, marked in help/pages.py
    "apps/automate_authoring/test_runs/workflow_part.py": {"An example of an error"},  # data
    "templates/automate_studio/builder/fields/secret.html": {"database:name"},
    "templates/automate_studio/builder/fields/schema_cell.html": {"{&quot;type&quot;: &quot;object&quot;}"},
    "templates/automate_studio/builder/triggers/schedule.html": {"daily weekdays weekly monthly"},  # CSS classes
    "apps/automate_connectors/adapters/github/polls.py": {"Crash on save", "It crashes when I save."},  # a sample
    "apps/automate_connectors/adapters/github/webhooks.py": {
        "Crash on save",
        "It crashes when I save.",
        "Save without a crash",
        "I see it, too.",
    },
    "apps/automate_connectors/adapters/rss.py": {"Version 7 is here", "Changes in version 7.", "Example news"},
    "apps/automate_connectors/mail/message.py": {"Ada Byron", "Order 1024", "Please send two anvils."},
    "apps/automate_connectors/declared/parsing.py": {  # what the parser says, to be said again in other words
        "Object contains unknown field `(?P<name>.*)`",
        "Object missing required field `(?P<name>.*)`",
        "Invalid enum value (?P<value>.*)",
    },
    "apps/automate_connectors/declared/loading.py": {  # a system check
        "It holds a folder for each connector, with a x. See docs/declared-connectors.md."
    },
    "apps/automate_core/webhooks/schemes/sns.py": {"Amazon SNS"},  # a name
}
#: They speak English: the description of the API, the tools of language models, and metrics.
ENGLISH = (
    "apps/automate_api/mcp/",
    "apps/automate_api/v1/openapi.py",
    "apps/automate_telemetry/metrics/",
)
#: Words that docs/glossary.md rules out, and riddles.
RULED_OUT = re.compile(
    r"\b(takes the permission|let go|lets go|whoever|anew|mend(?:ed|s|ing)?|hence|thereby|somebody|nobody|is told|are told"
    r"|hand(?:ed|s)? it on|handed on|as well as (?:it|they) can|what (?:it|they|this) (?:carried|carries)|that one may"
    r"|stands? (?:empty|beside|where)|comes? of (?:it|that|them)|had it|dealt with|for good|of one's own|one's own"
    r"|(?:is|was|are|were|be) told|is gone|was gone|does it all|(?:^|[.>] )What (?:is|was|it|a|this|they) )\b",
    re.IGNORECASE,
)
MOST_WORDS = 30


@pytest.fixture(scope="module")
def extracted():
    return list(messages.messages())


def english(message):
    return [message.id] if isinstance(message.id, str) else list(message.id)


def test_every_text_is_marked():
    found = [
        line
        for line in messages.unmarked([])
        if line.split(": ", 1)[1] not in NOT_FOR_PEOPLE.get(line.split(":")[0], ()) and not line.startswith(ENGLISH)
    ]
    assert not found, "\n".join(found)


def test_no_text_has_a_word_that_the_glossary_rules_out(extracted):
    found = {
        f"{message.place}: {hit.group()!r} in {text!r}"
        for message in extracted
        for text in english(message)
        for hit in RULED_OUT.finditer(" ".join(re.sub(r"<[^>]*>", " ", text).split()))
    }
    assert not found, "\n".join(sorted(found))


def test_no_document_has_a_word_that_the_glossary_rules_out():
    pages = [
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "cli/README.md",
        *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "SECURITY", "CHANGELOG")),
    ]
    found = {
        f"{page.relative_to(ROOT)}: {hit.group()!r}"
        for page in pages
        if page.name != "glossary.md"
        for hit in RULED_OUT.finditer(re.sub(r"`[^`]*`", "", page.read_text(encoding="utf-8")))
    }
    assert not found, "\n".join(sorted(found))


def test_sentences_are_short(extracted):
    """At most thirty words a sentence, those of workflow templates' mails aside."""
    found = set()
    for message in extracted:
        if message.place.partition(":")[0].endswith(".yaml"):
            continue
        for text in english(message):
            for sentence in re.split(r"[.!?:;](?:\s|$)|\n", re.sub(r"<[^>]*>", " ", text)):
                if len(sentence.split()) > MOST_WORDS:
                    found.add(f"{message.place}: {sentence}")
    assert not found, "\n".join(sorted(found))


def test_an_ellipsis_follows_a_verb(extracted):
    """`Choose…` opens something; `…` alone, or after a noun, says nothing."""
    found = {f"{m.place}: {t}" for m in extracted for t in english(m) if re.fullmatch(r"(…|\.\.\.)", t.strip())}
    assert not found


@functools.cache
def catalogues():
    """Each catalogue: its path, what it holds (None without a file), and what the sources say."""
    return [
        (path, read_po(io.BytesIO(path.read_bytes()), locale=language) if path.exists() else None, wanted)
        for (app, domain), wanted in sorted(messages.catalogues().items())
        for language in messages.LANGUAGES
        for path in [messages.catalogue_path(app, language, domain)]
    ]


def test_catalogues_hold_what_the_sources_say():
    """`make messages` brings them up to date."""
    for path, known, wanted in catalogues():
        ids = [{(m.id, m.context) for m in each if m.id} for each in (wanted, known or ())]
        assert ids[0] == ids[1], path


_PARTS = {
    "placeholders": re.compile(r"%\(\w+\)[sd]|%%"),
    "tags": re.compile(r"</?\w+"),
    "expressions": re.compile(r"\{\{[^{}]*\}\}"),
}


def test_german_is_complete_and_keeps_placeholders_tags_and_expressions():
    found = []
    for path, catalog, _wanted in catalogues():
        for message in catalog or ():
            if not message.id:
                continue
            ids = [message.id] if isinstance(message.id, str) else list(message.id)
            texts = [message.string] if isinstance(message.string, str) else list(message.string)
            if not all(texts) or len(texts) != len(ids):
                found.append(f"{path.parts[-5]}: not translated: {ids[0]}")
                continue
            for what, pattern in _PARTS.items():
                if collections.Counter(pattern.findall(ids[-1])) != collections.Counter(pattern.findall(texts[-1])):
                    found.append(f"{path.parts[-5]}: other {what}: {ids[-1]} -> {texts[-1]}")
    assert not found, "\n".join(found)


def test_a_text_is_translated_alike_in_every_app():
    said = collections.defaultdict(set)
    for _path, catalog, _wanted in catalogues():
        for message in catalog or ():
            if message.id and isinstance(message.id, str) and message.string:
                said[message.id, message.context].add(message.string)
    assert not {ids[0]: texts for ids, texts in said.items() if len(texts) > 1}


def test_django_shows_every_translation():
    """Its own texts and those of apps before ours win, and it reads catalogues of installed apps only."""
    others = {}
    with translation.override("de"):
        for path, catalog, _wanted in catalogues():
            for message in catalog or ():
                if path.stem == "django" and message.id and isinstance(message.id, str):
                    context = message.context
                    shown = translation.pgettext(context, message.id) if context else translation.gettext(message.id)
                    if shown != message.string:
                        others[message.id] = shown
    assert not others


def test_a_workflow_template_works_with_other_texts():
    for template in files.installed_templates().values():
        other = files._template(map_texts(template.document, lambda text: f"Ü {text}"), template.app)
        assert other.name == f"Ü {template.name}"
        assert other.slug == template.slug
        assert [step.key for _, step in walk(other.definition.steps)] == [
            step.key for _, step in walk(template.definition.steps)
        ]


@pytest.mark.extended
def test_django_finds_every_catalogue():
    """A message of each catalogue comes back in German."""
    with translation.override("de"):
        for path, catalog, _wanted in catalogues():
            if path.stem == "django":
                message = next(
                    m for m in catalog if m.id and isinstance(m.id, str) and not m.context and m.string != m.id
                )
                assert translation.gettext(message.id) == message.string, path
