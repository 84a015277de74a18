"""The models that the builder offers: those of the connection, else a list that says that it is not theirs."""

from __future__ import annotations

import pytest

from tests.support.builder import Builder

pytestmark = pytest.mark.django_db(transaction=True)

ASKING = """
name: Asking
slug: asking
triggers: []
steps: [{key: ask, action: llm.chat, connection: model, inputs: {model: '', prompt: Hello}}]
"""


@pytest.fixture
def offered(workflow, sign_in, owner):
    """What the chooser shows for the connection `model`."""

    def ask():
        builder = Builder(sign_in(owner), workflow(ASKING, publish=False))
        answer = builder.client.post(builder.url("builder_options", "ask"), {"field": "inputs.model"})
        assert answer.status_code == 200
        return answer.content.decode()

    return ask


@pytest.mark.parametrize("provider", ["openai", "anthropic", "ollama"])
def test_the_models_of_the_connection_are_offered(provider, connection, offered):
    connection(provider)
    page = offered()
    assert page.count('role="option"') == 1 and 'data-value="small"' in page and "known price" not in page


@pytest.mark.parametrize("provider", ["openai", "anthropic", "ollama"])
def test_long_lists_are_whole(provider, models, connection, offered):
    models.names = [f"model-{number:02}" for number in range(45)]
    connection(provider)
    assert offered().count('role="option"') == 45


def test_without_a_list_the_priced_models_are_offered_and_say_so(connection, models, offered, settings):
    connection("openai", key="another-key-9999")
    page = offered()
    assert "rejected the API key of the connection" in page and "Showing models with a known price instead." in page
    assert page.count('role="option"') > 1 and 'data-value="small"' not in page and "another-key-9999" not in page
    models.close()
    assert "Could not list the models" in offered()
