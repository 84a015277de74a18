"""A server that speaks the documented chat APIs of OpenAI, Anthropic and Ollama, and says what it is told to say."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

KEY = "key-of-the-model-server-4711"
PATHS = {"/v1/chat/completions": "openai", "/v1/messages": "anthropic", "/api/chat": "ollama"}
LISTS = {"/v1/models": "data", "/api/tags": "models"}


@dataclass
class Call:
    """A request for an answer, in the words that the three APIs share."""

    api: str
    body: dict
    headers: dict

    @property
    def messages(self):
        system = [{"role": "system", "content": self.body["system"]}] if "system" in self.body else []
        return system + self.body["messages"]

    @property
    def text(self):
        return "\n".join(message["content"] for message in self.messages)

    @property
    def schema(self):
        if self.api == "openai":
            return self.body.get("response_format", {}).get("json_schema", {}).get("schema")
        if self.api == "anthropic":
            return self.body.get("output_config", {}).get("format", {}).get("schema")
        return self.body.get("format")


@dataclass
class Fault:
    """An answer that is none: a status with a body, or raw bytes."""

    status: int = 200
    body: object = None
    headers: dict = field(default_factory=dict)
    raw: bytes | None = None
    content_type: str = "application/json"


class ModelServer:
    """`say(call)` gives a text, or a Fault. A prompt of more than `context` characters is refused as too long."""

    def __init__(self, *, tls=None):
        self.calls: list[Call] = []
        self.say = lambda call: "Hello back"
        self.context = 100_000
        self.names = ["small"]
        self.delay = 0.0
        self.answered = 0
        self.is_closed = False
        self.finish = "stop"
        self.lock = threading.Lock()
        self.extra = {}  # into the message
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                path, _, query = self.path.partition("?")
                if path not in LISTS:
                    return self._send(Fault(404, {"error": "not found"}))
                if not server._let_in(dict(self.headers)):
                    return self._send(server._refused("openai", 401, "authentication_error", "bad key"))
                listed = [{"id": name, "name": name} for name in server.names]
                if "x-api-key" in {name.lower() for name in self.headers}:  # Anthropic's lists have pages
                    listed = listed[: int(dict(parse_qsl(query)).get("limit", 20))]
                return self._send(Fault(200, {LISTS[path]: listed}))

            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                api = PATHS.get(self.path)
                if api is None:
                    return self._send(Fault(404, {"error": "not found"}))
                headers = {name.lower(): value for name, value in self.headers.items()}
                call = Call(api, body, headers)
                with server.lock:
                    server.calls.append(call)
                time.sleep(server.delay)
                server.answered += 1
                return self._send(server._answer(call))

            def _send(self, given):
                content = given.raw if given.raw is not None else json.dumps(given.body).encode()
                with contextlib.suppress(OSError):
                    self.send_response(given.status)
                    headers = {"Content-Type": given.content_type, "Content-Length": str(len(content)), **given.headers}
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(content)

            def log_message(self, *args):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.host = f"127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def base_url(self, api):
        return f"http://{self.host}/v1" if api == "openai" else f"http://{self.host}"

    def close(self):
        if self.is_closed:
            return
        self.is_closed = True
        self._server.shutdown()
        self._server.server_close()

    # --- as the documentation has it ----------------------------------------------------------------------------------

    def _let_in(self, headers):
        headers = {name.lower(): value for name, value in headers.items()}
        return headers.get("authorization") == f"Bearer {KEY}" or headers.get("x-api-key") == KEY

    def _answer(self, call):
        body = call.body
        if not self._let_in(call.headers):
            key = call.headers.get("authorization", call.headers.get("x-api-key", ""))
            return self._refused(call.api, 401, "authentication_error", f"Incorrect API key provided: {key}")
        if call.api == "anthropic":
            if call.headers.get("anthropic-version") != "2023-06-01":
                return self._refused(call.api, 400, "invalid_request_error", "anthropic-version: header is required")
            if not isinstance(body.get("max_tokens"), int) or any(m["role"] == "system" for m in body["messages"]):
                return self._refused(call.api, 400, "invalid_request_error", "max_tokens: Field required")
        if body.get("stream") is not False or not body["messages"]:
            return self._refused(call.api, 400, "invalid_request_error", "stream is not what the tests are about")
        if body["model"] != "small":
            return self._refused(call.api, 404, "not_found_error", f"model {body['model']!r} not found")
        if len(call.text) > self.context:
            reason = {
                "openai": "This model's maximum context length is 100 tokens.",
                "anthropic": "prompt is too long: 200 tokens > 100 maximum",
                "ollama": "the prompt exceeds the available context size",
            }[call.api]
            return self._refused(call.api, 400, "invalid_request_error", reason)
        said = self.say(call)
        return said if isinstance(said, Fault) else Fault(200, self._good(call, said))

    def _refused(self, api, status, kind, reason):
        body = {
            "openai": {"error": {"message": reason, "type": kind, "param": None, "code": kind}},
            "anthropic": {"type": "error", "error": {"type": kind, "message": reason}},
            "ollama": {"error": reason},
        }[api]
        return Fault(status, body)

    def _good(self, call, text):
        read, written = len(call.text) // 4 + 3, len(text) // 4 + 1
        if call.api == "openai":
            message = {"role": "assistant", "content": text, "refusal": None, **self.extra}
            return {
                "id": "c1",
                "object": "chat.completion",
                "choices": [{"index": 0, "message": message, "finish_reason": self.finish}],
                "usage": {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written},
            }
        if call.api == "anthropic":
            stop = {"stop": "end_turn", "length": "max_tokens"}[self.finish]
            return {
                "type": "message",
                "role": "assistant",
                "content": [{"type": "text", "text": text}],
                "stop_reason": stop,
                "usage": {"input_tokens": read - 2, "cache_read_input_tokens": 2, "output_tokens": written},
            }
        return {
            "model": "small",
            "message": {"role": "assistant", "content": text, **self.extra},
            "done": True,
            "done_reason": self.finish,
            "prompt_eval_count": read,
            "eval_count": written,
        }
