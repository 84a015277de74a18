"""The actions on a model: chat, extract, classify, summarise. Each takes a ModelCaller and validated inputs."""

from __future__ import annotations

from typing import Any

from automate_connectors.adapters.base import ConnectorError
from automate_governance.redaction.redactor import redact_and_truncate
from automate_llm import answers, chunking, prompts
from automate_llm.model_call import ModelCaller
from automate_llm.prompts import Message
from automate_llm.schemas import Schema, SchemaError
from automate_plugins import text

MAX_LABELS = 100
_SHOWN = 500
_EXTRACT = "Read the data and fill in the JSON document that is asked for, from what the data says and nothing else."
_CLASSIFY = "Decide which one of these labels fits the data best: {labels}."
_SUMMARISE = "Summarise the data in at most {words} words, in the language it is written in, as plain text."
_PART = "The data is part {number} of {count} of a longer text."
_JOIN = "The data is the summaries of the parts of one text, in order. Make one summary of them."


def chat(caller: ModelCaller, params: dict[str, Any], key: str) -> dict[str, Any]:
    """Answer a prompt; `data`, if given, is sent in a message of its own."""
    mark = prompts.data_mark(key) if params.get("data") is not None else ""
    messages: list[Message] = []
    if params.get("system") or mark:
        messages.append(prompts.system_message(params.get("system") or "", mark))
    messages.append({"role": "user", "content": params["prompt"]})
    if mark:
        messages.append(prompts.data_message(params["data"], mark))
    answer, is_cut_off = caller.call(messages)
    return {"text": answer, "cut_off": is_cut_off, "usage": caller.usage()}


def extract(caller: ModelCaller, params: dict[str, Any], key: str) -> dict[str, Any]:
    """Extract a document of the given schema from a text."""
    try:
        schema = Schema(params["schema"])
    except SchemaError as error:
        message = text("Output fields: %(reason)s", reason=str(error))
        raise ConnectorError(message, code="invalid_input") from error
    task = "\n\n".join(part for part in (_EXTRACT, params.get("instructions")) if part)
    document, is_repaired = _ask_for_document(caller, schema, task, params["text"], key)
    return {"data": document, "repaired": is_repaired, "usage": caller.usage()}


def classify(caller: ModelCaller, params: dict[str, Any], key: str) -> dict[str, Any]:
    """Choose one of the given labels for a text."""
    labels = params["labels"]
    if not 2 <= len(labels) <= MAX_LABELS or len(set(map(str, labels))) < len(labels):
        message = text("Enter between 2 and %(maximum)s different labels.", maximum=MAX_LABELS)
        raise ConnectorError(message, code="invalid_input")
    if not all(isinstance(label, str) and 0 < len(label) <= 200 for label in labels):
        message = text("Each label must be text of up to %(count)s characters.", count=200)
        raise ConnectorError(message, code="invalid_input")
    label = {"type": "string", "enum": labels}
    schema = Schema({"type": "object", "properties": {"label": label}, "required": ["label"]})
    task = _CLASSIFY.format(labels=", ".join(f'"{label}"' for label in labels))
    instructions = "\n\n".join(part for part in (task, params.get("instructions")) if part)
    document, _ = _ask_for_document(caller, schema, instructions, params["text"], key)
    return {"label": document["label"], "usage": caller.usage()}


def summarise(caller: ModelCaller, params: dict[str, Any], key: str) -> dict[str, Any]:
    """Summarise a text; one longer than `piece_tokens` is summarised in pieces, then as a whole."""
    words, most, source = params["words"], params["max_calls"], prompts.as_text(params["text"])
    if words < 1 or params["piece_tokens"] < 100 or most < 1:
        message = text("Length and Maximum calls must be at least 1, Tokens per part at least 100.")
        raise ConnectorError(message, code="invalid_input")
    parts = chunking.split_text(source, params["piece_tokens"], caller.provider.count_tokens)
    calls = len(parts) + (len(parts) > 1)
    if calls > most:
        raise ConnectorError(
            text(
                "The text needs %(calls)s calls, but the maximum is %(maximum)s. Raise Maximum calls or Tokens per"
                " part, or shorten the text.",
                calls=calls,
                maximum=most,
            ),
            code="input_too_long",
        )
    task = "\n\n".join(part for part in (_SUMMARISE.format(words=words), params.get("instructions")) if part)
    if len(parts) == 1:
        return {"text": _summarise_part(caller, task, source, key), "pieces": 1, "usage": caller.usage()}
    summaries = [
        _summarise_part(caller, f"{task}\n\n{_PART.format(number=number, count=len(parts))}", part, key)
        for number, part in enumerate(parts, 1)
    ]
    whole = _summarise_part(caller, f"{task}\n\n{_JOIN}", "\n\n".join(summaries), key)
    return {"text": whole, "pieces": len(parts), "usage": caller.usage()}


def _summarise_part(caller: ModelCaller, task: str, data: str, key: str) -> str:
    mark = prompts.data_mark(key)
    answer, is_cut_off = caller.call([prompts.system_message(task, mark), prompts.data_message(data, mark)])
    if is_cut_off:
        raise _cut_off_error(caller)
    return answer.strip()


def _ask_for_document(caller: ModelCaller, schema: Schema, task: str, data: Any, key: str) -> tuple[Any, bool]:
    """Return the model's valid answer, and whether it needed a second call that listed the problems."""
    mark = prompts.data_mark(key)
    messages = [prompts.system_message(task, mark, schema.document), prompts.data_message(data, mark)]
    answer, problems = "", [""]
    for is_repaired in (False, True):
        answer, is_cut_off = caller.call(messages, schema.document)
        if is_cut_off:
            raise _cut_off_error(caller)
        try:
            document = answers.parse_json_answer(answer)
            problems = schema.problems(document)
        except ValueError as error:
            problems = [str(error)]
        if not problems:
            return document, is_repaired
        messages = [*messages, *prompts.repair_messages(answer[: answers.MAX_CHARACTERS], problems)]
    raise ConnectorError(
        text(
            "The model's answer did not match the schema, also after a second attempt: %(reason)s", reason=problems[0]
        ),
        code="schema_not_met",
        details={"problems": problems, "answer": redact_and_truncate(answer, _SHOWN)},
    )


def _cut_off_error(caller: ModelCaller) -> ConnectorError:
    return ConnectorError(
        text(
            "The answer was cut off at %(count)s tokens. Raise Maximum answer tokens or ask for less.",
            count=caller.max_tokens,
        ),
        code="answer_cut_off",
    )
