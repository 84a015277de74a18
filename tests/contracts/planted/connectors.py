"""A good connector, and what can be wrong with one."""

from __future__ import annotations

import base64
import concurrent.futures
import ctypes
import http.client
import logging
import os
import random
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
import uuid
import warnings
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import requests

from automate_connectors.adapters.base import Action, ConnectorAdapter, ConnectorError, Effect
from automate_connectors.adapters.polls import Poll, PollItem, PollResult
from automate_connectors.adapters.webhooks import Registration, Webhook
from automate_egress import EgressBlockedError, EgressCancelledError, EgressError, EgressTimeoutError
from automate_egress.forms import Part, multipart
from automate_plugins.fields import FieldKind, FieldSpec
from automate_testing.contracts import Case
from automate_testing.fakes import SAMPLE_FILE, answer
from tests.contracts.planted import Fault, planter

FAULTS: list[Fault] = []
planted = planter(FAULTS)
logger = logging.getLogger("planted")
HANGS = {"call_seconds": 0.5}
CONNECTION = {"base_url": "https://erp.example.com", "account": "acme-17", "token": "any"}
CASES = (
    Case(
        action="create",
        params={"item": "anvil", "lines": [{"count": 2}]},
        connection=CONNECTION,
        answer=answer(201, {"id": 7}),
        request={"method": "POST", "url": "https://erp.example.com/orders"},
        output={"id": 7},
    ),
    Case(
        action="list",
        connection=CONNECTION,
        answers=(answer(200, {"items": [1], "next": 2}), answer(200, {"items": [2], "next": None})),
        requests=({"params": {"page": 1}}, {"params": {"page": 2}}),
        output={"items": [1, 2]},
    ),
    Case(action="total", params={"numbers": [1, 2]}, output={"total": 3}),
    Case(action="total", version=1, params={"values": [1, 2]}, output={"total": 3}),
    Case(action="copy", params={"file": SAMPLE_FILE}),
)
#: The pages again, with nothing said of requests and output.
UNNAMED = Case(action="list", connection=CONNECTION, answers=CASES[1].answers)


class Good(ConnectorAdapter):
    """Orders of an ERP. Each step of a call is a method, so that a fault is one method too."""

    code = "good"
    name = "Good"
    config_fields = (
        FieldSpec(name="base_url", kind=FieldKind.URL, required=True),
        FieldSpec(name="account"),
        FieldSpec(name="token", kind=FieldKind.SECRET, required=True),
    )
    actions = (
        Action(
            name="create",
            fields=(
                FieldSpec(name="item", required=True, options="items"),
                FieldSpec(name="lines", kind=FieldKind.LIST, required=True),
            ),
            outputs=(FieldSpec(name="id", kind=FieldKind.INTEGER),),
        ),
        Action(name="list", fields=(), outputs=(FieldSpec(name="items", kind=FieldKind.LIST),)),
        Action(
            name="total",
            effect=Effect.PURE,
            fields=(FieldSpec(name="numbers", kind=FieldKind.LIST, required=True),),
            version=2,
            migrations={1: lambda inputs: {"numbers": inputs["values"]}},
        ),
        Action(
            name="copy",
            effect=Effect.PURE,
            fields=(FieldSpec(name="file", kind=FieldKind.FILE, required=True),),
            outputs=(FieldSpec(name="copy", kind=FieldKind.FILE),),
        ),
    )

    polls = (Poll(name="new_order", sample={"number": 7}),)
    webhooks = (
        Webhook(
            name="order",
            events=(("order.paid", "Paid"), ("order.sent", "Sent")),
            scheme="hmac",
            scheme_config={"event_field": "type"},
            sample={"type": "order.paid", "number": 7},
        ),
    )

    def validate_config(self, config):
        if str(config.get("base_url", "")).startswith("http:"):
            raise ValueError("base_url must begin with https://")

    def execute(self, action, params, context):
        actions = {"create": self.create, "list": self.list, "total": self.total, "copy": self.copy}
        return actions[action](params, context)

    def create(self, params, context):
        body = {"item": params["item"], "lines": params["lines"]}
        return self.result(self.send(context, "POST", "/orders", json=body))

    def result(self, response):
        return {"id": self.read(response).get("id")}

    def read(self, response):
        found = response.json()
        if not isinstance(found, dict):
            raise ConnectorError("the answer is not an object", code="invalid_answer")
        return found

    def list(self, params, context):
        items, page, seen = [], 1, []
        while page is not None:
            if context["cancelled"]():
                raise ConnectorError("cancelled", code="cancelled")
            if page in seen:
                raise ConnectorError("the pages repeat", code="invalid_answer")
            seen.append(page)
            found = self.read(self.send(context, "GET", "/orders", params={"page": page}))
            items += found.get("items", [])
            page = found.get("next")
        return {"items": items}

    def total(self, params, context):
        return {"total": sum(params["values" if context["version"] == 1 else "numbers"])}

    def copy(self, params, context):
        with context["files"].open(params["file"]) as file:
            return {"copy": context["files"].create("copy.txt", file, "text/plain")}

    def send(self, context, method, path, **body):
        context["log"](f"{method} {path}")
        url = context["connection"]["base_url"].rstrip("/") + path
        response = self.request(context, method, url, headers=self.headers(context), **body)
        if response.status >= 400:
            raise self.refusal(response, context)
        return response

    def headers(self, context):
        token = context["connection"]["token"]
        return {"Authorization": f"Bearer {token}", "Idempotency-Key": context["idempotency_key"]}

    def request(self, context, method, url, **more):
        return context["http"].request(method, url, **more)

    def refusal(self, response, context):
        return ConnectorError(
            f"HTTP {response.status}",
            code=f"http_{response.status}",
            retryable=response.status == 429 or response.status >= 500,
            retry_after=response.retry_after,
            details={"status": response.status},
        )

    def describe(self, action, params, context):
        return {"summary": f"{action} at {context['connection'].get('base_url')}"}

    def check_connection(self, context):
        self.send(context, "GET", "/me")
        return "It answers"

    def options(self, name, params, context):
        found = self.read(self.send(context, "GET", "/items"))
        return [(each["id"], each["name"]) for each in found.get("items", []) if isinstance(each, dict)]

    def own_hosts(self, config):
        return ("erp.example.com",)

    def poll(self, name, params, cursor, context):
        known = dict(cursor) if cursor else {"since": self.newest(context), "page": 1, "newest": ""}
        found = self.orders(context, since=self.edge(known["since"]), page=known["page"])
        items = [self.item(order) for order in found["orders"]]
        return PollResult(items=items, cursor=self.next_cursor(known, found), more=found["more"])

    def newest(self, context):
        return max((order["at"] for order in self.orders(context, order="newest")["orders"]), default="")

    def edge(self, since):
        return (datetime.fromisoformat(since) - timedelta(seconds=5)).isoformat() if since else ""

    def register_webhook(self, name, params, url, secret, context):
        body = {"url": url, "secret": secret, "events": params["events"]}
        return self.registration(self.read(self.send(context, "POST", "/hooks", json=body)))

    def registration(self, hook):
        return Registration(id=str(hook.get("id") or ""), expires=datetime.fromisoformat(hook["ends"]))

    def find_webhook(self, name, params, url, context):
        hooks = self.read(self.send(context, "GET", "/hooks"))["hooks"]
        return next((self.registration(hook) for hook in hooks if hook["url"] == url), None)

    def renew_webhook(self, name, params, registration, url, secret, context):
        return self.registration(self.read(self.send(context, "POST", f"/hooks/{registration.id}/renew")))

    def remove_webhook(self, name, params, registration, context):
        try:
            self.send(context, "DELETE", f"/hooks/{registration.id}")
        except ConnectorError as error:
            if error.details.get("status") != 404:
                raise

    def orders(self, context, **query):
        found = self.read(self.send(context, "GET", "/orders", params=query))
        if "orders" not in found:
            raise ConnectorError("the answer has no orders", code="invalid_answer")
        return found

    def item(self, order):
        return PollItem(id=str(order["number"]), time=datetime.fromisoformat(order["at"]), data=order)

    def next_cursor(self, known, found):
        newest = max([known["newest"], *(order["at"] for order in found["orders"])])
        if found["more"]:
            return {**known, "page": known["page"] + 1, "newest": newest}
        return {"since": newest or known["since"], "page": 1, "newest": ""}


# --- going around the guarded session ---------------------------------------------------------------------------------


@planted("guarded_session")
class RequestsLibrary(Good):
    def request(self, context, method, url, **more):
        return requests.request(method, url, timeout=5, **more)


@planted("guarded_session")
class RequestsLibraryToAReachableHost(Good):
    def request(self, context, method, url, **more):
        with socket.create_server(("127.0.0.1", 0)) as server:
            requests.request(method, f"http://127.0.0.1:{server.getsockname()[1]}/", timeout=5)
        return context["http"].request(method, url, **more)


@planted("guarded_session")
class RequestsErrorsSwallowed(Good):
    def request(self, context, method, url, **more):
        try:
            requests.post("https://metrics.example.com", json={"method": method}, timeout=5)
        except OSError:
            logger.debug("no metrics")
        return context["http"].request(method, url, **more)


@planted("guarded_session")
class Urllib(Good):
    def request(self, context, method, url, **more):
        return urllib.request.urlopen(url, timeout=5)


@planted("guarded_session")
class HttpClient(Good):
    def request(self, context, method, url, **more):
        connection = http.client.HTTPSConnection("erp.example.com", timeout=5)
        connection.request(method, "/orders")


@planted("guarded_session")
class RawSocket(Good):
    def request(self, context, method, url, **more):
        socket.create_connection(("203.0.113.7", 443))


@planted("guarded_session")
class SocketInAThread(Good):
    def request(self, context, method, url, **more):
        with concurrent.futures.ThreadPoolExecutor() as pool:
            pool.submit(socket.create_connection, ("203.0.113.7", 443)).exception()
        return context["http"].request(method, url, **more)


@planted("guarded_session")
class Datagram(Good):
    def request(self, context, method, url, **more):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            try:
                sock.sendto(b"called", ("203.0.113.7", 8125))
            except OSError:
                logger.debug("no metrics")
        return context["http"].request(method, url, **more)


@planted("guarded_session")
class Curl(Good):
    def request(self, context, method, url, **more):
        subprocess.run(["curl", url], check=True)


@planted("no_secret_in_files", says="a secret is written to a file")
class TokenInAFileThatIsRemoved(Good):
    def headers(self, context):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(context["connection"]["token"])
        return super().headers(context)


@planted("no_secret_in_files", says="a secret is written to a file")
class TokenInAFileThatStays(Good):
    def headers(self, context):
        (Path(tempfile.gettempdir()) / "planted-token").write_text(context["connection"]["token"], encoding="utf-8")
        return super().headers(context)


@planted("leaves_no_file", says="planted-orders behind")
class LeavesAFile(Good):
    def list(self, params, context):
        found = super().list(params, context)
        (Path(tempfile.gettempdir()) / "planted-orders").write_text(str(found), encoding="utf-8")
        return found


@planted("check_connection", says="shows a secret")
class CheckWritesTheTokenToAFile(Good):
    def check_connection(self, context):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(context["connection"]["token"])
        return super().check_connection(context)


@planted("environment", says="reads PLANTED_URL of the environment")
class ReadsTheEnvironment(Good):
    def request(self, context, method, url, **more):
        return super().request(context, method, os.getenv("PLANTED_URL", url), **more)


@planted("no_answer_in_logs", says="the body of an answer is logged")
class LogsTheAnswer(Good):
    def read(self, response):
        logger.debug("answered %s", response.text)
        return super().read(response)


@planted("no_answer_in_logs", says="the body of an answer is logged")
class PrintsWhatItRead(Good):
    def read(self, response):
        found = super().read(response)
        print(found)
        return found


@planted("content_type", says="sends a body that is not JSON")
class TextLabelledAsJson(Good):
    def create(self, params, context):
        return self.result(self.send(context, "POST", "/orders", data=f"item={params['item']}"))

    def headers(self, context):
        return {**super().headers(context), "Content-Type": "application/json"}


@planted("content_type", says="sends JSON, and its Content-Type says text/plain")
class JsonLabelledAsText(Good):
    def headers(self, context):
        return {**super().headers(context), "Content-Type": "text/plain"}


@planted("content_type", says="sends a form")
class FormLabelledAsJson(Good):
    def create(self, params, context):
        return self.result(self.send(context, "POST", "/orders", data={"item": params["item"]}))

    def headers(self, context):
        return {**super().headers(context), "Content-Type": "application/json; charset=utf-8"}


@planted("content_type", says="without the boundary")
class MultipartOfAnotherBoundary(Good):
    def create(self, params, context):
        body = multipart([Part(name="item", content=b"anvil")], seed="one")[0]
        return self.result(self.send(context, "POST", "/orders", data=body))

    def headers(self, context):
        return {**super().headers(context), "Content-Type": "multipart/form-data; boundary=other"}


@planted("code", says="that of the built-in connector")
class TakesTheCodeOfHttp(Good):
    code = "http"


LIST_OF_THE_MODULE: list[int] = []


@planted("keeps_nothing", says="LIST_OF_THE_MODULE")
class ListOfTheModuleGrows(Good):
    def create(self, params, context):
        LIST_OF_THE_MODULE.append(1)
        return super().create(params, context)


@planted("guarded_session", says="a process of its own")
class Forks(Good):
    def request(self, context, method, url, **more):
        try:
            if os.fork() == 0:
                os._exit(0)
        except OSError:
            logger.debug("no child")
        return context["http"].request(method, url, **more)


@planted("guarded_session", says="a socket of its own (socket)")
class SocketOfTheCLibrary(Good):
    def request(self, context, method, url, **more):
        library = ctypes.CDLL(None)
        try:
            os.close(library.socket(2, 1, 0))
        except OSError:
            logger.debug("no socket")
        return context["http"].request(method, url, **more)


@planted("guarded_session", says="psycopg.Connection")
class DatabaseOfItsOwn(Good):
    def request(self, context, method, url, **more):
        try:
            psycopg.connect("host=127.0.0.1 port=9 connect_timeout=2")
        except OSError:
            logger.debug("no database")
        return context["http"].request(method, url, **more)


@planted("guarded_session", says="a socket of its own")
class SocketAfterTheCall(Good):
    def request(self, context, method, url, **more):
        over = threading.Event()
        threading.Thread(target=self.call_home, args=(over,), daemon=True).start()
        threading.Timer(0.05, over.set).start()
        return context["http"].request(method, url, **more)

    def call_home(self, over):
        over.wait()
        try:
            socket.create_connection(("203.0.113.7", 443))
        except OSError:
            logger.debug("no metrics")


@planted("made_without_arguments", says="AsksWhenItIsMade() goes out by")
class AsksWhenItIsMade(Good):
    def __init__(self):
        try:
            urllib.request.urlopen("https://erp.example.com/schema", timeout=5)
        except OSError:
            logger.debug("no schema")


@planted("check_connection")
class ChecksByItsOwnSocket(Good):
    def check_connection(self, context):
        try:
            socket.create_connection(("203.0.113.7", 443), timeout=1).close()
        except OSError as error:
            raise ConnectorError("it is not there") from error
        return "It answers"


@planted("options")
class OptionsByRequests(Good):
    def options(self, name, params, context):
        return requests.get("https://erp.example.com/items", timeout=5).json()


@planted("makes_a_request")
class AsksNobody(Good):
    def create(self, params, context):
        return {"id": 7}


@planted("guarded_network", cases=(Case(action="create", params=CASES[0].params, connection=CONNECTION, run=False),))
class NetworkNotUsed(Good):
    def create(self, params, context):
        return {"id": 7}


# --- time -------------------------------------------------------------------------------------------------------------


@planted("returns_in_time", says="leaves the thread", **HANGS)
class LeavesAThread(Good):
    def result(self, response):
        threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
        return super().result(response)


@planted("returns_in_time", **HANGS)
class WaitsForEver(Good):
    def result(self, response):
        threading.Event().wait()


@planted("returns_in_time", **HANGS)
class SleepsForAnHour(Good):
    def request(self, context, method, url, **more):
        time.sleep(3_600)


@planted("returns_in_time", **HANGS)
class PollsForEver(Good):
    def result(self, response):
        while response.json().get("state") != "done":
            time.sleep(0.01)


@planted("returns_in_time", **HANGS)
class PollsForEverWhateverIsRaised(Good):
    def result(self, response):
        for _ in range(1_000_000):
            try:
                time.sleep(3_600)
            except Exception:
                logger.debug("once more")


@planted("validate_config", **HANGS)
class ValidatesForEver(Good):
    def validate_config(self, config):
        threading.Event().wait()


# --- inputs and outputs -----------------------------------------------------------------------------------------------


@planted("inputs_untouched")
class ChangesParams(Good):
    def create(self, params, context):
        params["lines"].append({"count": 1})
        return super().create({**params, "lines": params["lines"][:-1]}, context)


@planted("inputs_untouched")
class ChangesTheConnection(Good):
    def headers(self, context):
        found = super().headers(context)
        context["connection"].pop("token")
        return found


@planted("inputs_untouched")
class CompletesTheConnection(Good):
    def send(self, context, method, path, **body):
        response = super().send(context, method, path, **body)
        context["connection"]["token"] = context["connection"].pop("token") + " "
        context["connection"].setdefault("region", "eu")
        return response


@planted("outputs")
class OutputIsMissing(Good):
    actions = (
        *Good.actions[1:],
        Action(name="create", fields=None, outputs=(FieldSpec(name="number", kind=FieldKind.INTEGER),)),
    )


@planted("outputs")
class OutputIsOfAnotherKind(Good):
    def result(self, response):
        return {"id": str(response.json().get("id"))}


@planted("output_is_json")
class OutputIsNotJson(Good):
    def result(self, response):
        return {"id": object()}


@planted("output_as_declared")
class OutputIsAnotherOne(Good):
    def result(self, response):
        return {"id": response.json().get("id"), "status": response.status}


@planted("requests_as_declared")
class RequestGoesElsewhere(Good):
    def create(self, params, context):
        return self.result(self.send(context, "POST", "/order", json=params))


@planted(
    "requests_as_declared",
    says="made no request 2",
    cases=(Case(action="create", params=CASES[0].params, connection=CONNECTION, requests=({}, {"method": "POST"})),),
)
class MakesOneRequestOfTwo(Good):
    pass


@planted("requests_as_declared", says="made 1 requests, and the case has 2 answers", cases=(UNNAMED,))
class FirstPageAlone(Good):
    def list(self, params, context):
        return {"items": self.read(self.send(context, "GET", "/orders", params={"page": 1})).get("items", [])}


@planted("requests_as_declared")
class PagesFromZero(Good):
    def send(self, context, method, path, **body):
        if "params" in body:
            body["params"] = {"page": body["params"]["page"] - 1}
        return super().send(context, method, path, **body)


@planted("pure")
class Impure(Good):
    def total(self, params, context):
        return {"total": random.random()}


@planted("stays_inside")
class PureThatAsks(Good):
    def total(self, params, context):
        context["http"].request("POST", "https://erp.example.com/total", json=params)
        return super().total(params, context)


# --- attempts ---------------------------------------------------------------------------------------------------------


@planted("idempotency_key")
class KeyIsAbsent(Good):
    def headers(self, context):
        return {"Authorization": f"Bearer {context['connection']['token']}"}


@planted("idempotency_key")
class KeyIsAConstant(Good):
    def headers(self, context):
        return {**super().headers(context), "Idempotency-Key": "1"}


@planted("idempotency_key", says="boundary")
class KeyIsInTheBoundaryAlone(Good):
    def headers(self, context):
        return {"Authorization": f"Bearer {context['connection']['token']}"}

    def create(self, params, context):
        parts = [Part(name="item", content=params["item"].encode())]
        body, content_type = multipart(parts, seed=context["idempotency_key"])
        headers = {**self.headers(context), "Content-Type": content_type}
        url = context["connection"]["base_url"] + "/orders"
        return self.result(self.request(context, "POST", url, headers=headers, data=body))


@planted("attempts_are_alike")
class KeyIsRandom(Good):
    def headers(self, context):
        return {**super().headers(context), "X-Key": uuid.uuid4().hex}


@planted("attempts_are_alike")
class TimeInTheBody(Good):
    def create(self, params, context):
        return self.result(self.send(context, "POST", "/orders", json={**params, "at": time.perf_counter_ns()}))


@planted("single_attempt")
class RetriesServerErrors(Good):
    def send(self, context, method, path, **body):
        for _ in range(2):
            try:
                return super().send(context, method, path, **body)
            except ConnectorError as error:
                if not error.retryable:
                    raise
        return super().send(context, method, path, **body)


@planted("single_attempt")
class RetriesAndCounts(Good):
    def request(self, context, method, url, **more):
        for number in range(3):
            headers = {**more.pop("headers", {}), "X-Attempt": str(number)}
            response = super().request(context, method, url, headers=headers, **more)
            if response.status < 500:
                break
        return response


@planted("single_attempt")
class SendsARefusedTokenAgain(Good):
    def request(self, context, method, url, **more):
        response = super().request(context, method, url, **more)
        return response if response.status != 401 else super().request(context, method, url, **more)


@planted("single_attempt")
class RetriesTimeouts(Good):
    def request(self, context, method, url, **more):
        try:
            return super().request(context, method, url, **more)
        except EgressTimeoutError:
            return super().request(context, method, url, **more)


@planted("single_attempt", says="sleeps 2 seconds")
class WaitsByItself(Good):
    def request(self, context, method, url, **more):
        response = super().request(context, method, url, **more)
        if response.retry_after:
            time.sleep(response.retry_after)
        return response


@planted("keeps_nothing")
class KeepsTheToken(Good):
    def headers(self, context):
        self.token = getattr(self, "token", None) or context["connection"]["token"]
        return {"Authorization": f"Bearer {self.token}", "Idempotency-Key": context["idempotency_key"]}


@planted("keeps_nothing")
class RemembersTheConnection(Good):
    def headers(self, context):
        self.connection = context["connection"]
        return super().headers(context)


@planted("keeps_nothing")
class KeepsAnswers(Good):
    def execute(self, action, params, context):
        kept = self.__dict__.setdefault("kept", {})
        if (action, str(params)) not in kept:
            kept[action, str(params)] = super().execute(action, params, context)
        return kept[action, str(params)]


@planted("keeps_nothing")
class ListOfTheClassGrows(Good):
    found = []

    def list(self, params, context):
        self.found += super().list(params, context)["items"]
        return {"items": [*self.found][:2]}


@planted("keeps_nothing")
class SetOfTheInstanceGrows(Good):
    def __init__(self):
        self.seen = set()

    def create(self, params, context):
        self.seen.add(id(context))
        self.seen.add(len(self.seen))
        return super().create(params, context)


@planted("secret_hosts", says="a second host")
class TokenToASecondHost(Good):
    def create(self, params, context):
        made = super().create(params, context)
        self.request(context, "POST", "https://metrics.example.net/orders", headers=self.headers(context))
        return made


@planted("base_url", says="still goes to")
class SecondRequestGoesToTheBuiltInHost(Good):
    def create(self, params, context):
        self.send(context, "GET", "/me")
        self.request(context, "GET", "https://erp.example.com/orders", headers=self.headers(context))
        return super().create(params, context)


@planted("base_url")
class AddressIsItsOwn(Good):
    def request(self, context, method, url, **more):
        return super().request(context, method, "https://erp.example.com/" + url.split("/", 3)[3], **more)


@planted("base_url")
class AddressOfTheFirstCall(Good):
    def request(self, context, method, url, **more):
        self.host = getattr(self, "host", None) or url.split("/")[2]
        return super().request(context, method, f"https://{self.host}/{url.split('/', 3)[3]}", **more)


@planted("base_url", says="makes no request")
class AnswerOfTheFirstCall(Good):
    def create(self, params, context):
        self.first = getattr(self, "first", None) or super().create(params, context)
        return self.first


# --- failures ---------------------------------------------------------------------------------------------------------


@planted("client_error")
class BareKeyErrorOnRefusal(Good):
    def refusal(self, response, context):
        return ConnectorError(response.json()["error"]["message"], retryable=response.status >= 500)


@planted("client_error")
class RuntimeErrorOnRefusal(Good):
    def refusal(self, response, context):
        return RuntimeError("refused") if response.status == 401 else super().refusal(response, context)


@planted("client_error")
class ExitsOnRefusal(Good):
    def refusal(self, response, context):
        return SystemExit(1) if response.status == 403 else super().refusal(response, context)


@planted("client_error")
class RefusalIsSuccess(Good):
    def refusal(self, response, context):
        error = super().refusal(response, context)
        return error if response.status != 422 else _Fine()


class _Fine(ConnectorError):
    def __init__(self):
        super().__init__("fine", retryable=True)


@planted("client_error", says="marked HTTP 400 as retryable")
class RefusalMayBeRetried(Good):
    def refusal(self, response, context):
        error = super().refusal(response, context)
        error.retryable = True
        return error


@planted("client_error", says="took HTTP 400 for success")
class ListOfRefusals(Good):
    def send(self, context, method, path, **body):
        try:
            return super().send(context, method, path, **body)
        except ConnectorError as error:
            if error.retryable:
                raise
            return answer(200, {"id": None})


@planted("server_error", says="marked HTTP 500 as not retryable")
class OnlyUnavailableMayBeRetried(Good):
    def refusal(self, response, context):
        error = super().refusal(response, context)
        error.retryable = response.status in {429, 503}
        return error


@planted("server_error")
class ReadsTheGatewaysPage(Good):
    def refusal(self, response, context):
        error = super().refusal(response, context)
        error.details["said"] = response.json()
        return error


@planted("bad_answer")
class BareErrorOnAPage(Good):
    def result(self, response):
        return {"id": int(response.text[7:-1])}


@planted("bad_answer", says="bare KeyError: 'id'")
class KeyErrorOnAnotherShape(Good):
    def result(self, response):
        return {"id": response.json()["id"]}


@planted("bad_answer")
class AttributeErrorOnAList(Good):
    def read(self, response):
        return response.json()


@planted("bad_answer", says='took a page of HTML in place of JSON for success and gave {"id":0}')
class PageIsTakenForADefault(Good):
    def read(self, response):
        try:
            return super().read(response)
        except ValueError:
            return {"id": 0}


@planted("bad_answer")
class PageEndsTheList(Good):
    def list(self, params, context):
        items, page = [], 1
        while page is not None:
            response = self.send(context, "GET", "/orders", params={"page": page})
            found = response.json() if response.body.startswith(b"{") else {}
            items += found.get("items", [])
            page = found.get("next")
        return {"items": items}


@planted("rate_limit", says="marked HTTP 429 as not retryable")
class RateLimitIsFinal(Good):
    def refusal(self, response, context):
        error = super().refusal(response, context)
        error.retryable = response.status >= 500
        return error


@planted("rate_limit", says="retry_after is None; pass on")
class RetryAfterIsIgnored(Good):
    def refusal(self, response, context):
        error = super().refusal(response, context)
        error.retry_after = None
        return error


@planted("retry_after_date")
class RetryAfterIsAlwaysANumber(Good):
    def refusal(self, response, context):
        error = super().refusal(response, context)
        error.retry_after = float(response.headers.get("retry-after", "0"))
        return error


@planted("timeout")
class TimeoutIsSwallowed(Good):
    def request(self, context, method, url, **more):
        try:
            return super().request(context, method, url, **more)
        except EgressTimeoutError:
            return answer(200, {"id": None})


@planted("timeout", says="marked EgressTimeoutError as not retryable")
class TimeoutIsFinal(Good):
    def request(self, context, method, url, **more):
        try:
            return super().request(context, method, url, **more)
        except EgressError as error:
            raise ConnectorError("it did not work", retryable=False) from error


@planted("connection_error")
class BrokenConnectionIsBare(Good):
    def request(self, context, method, url, **more):
        try:
            return super().request(context, method, url, **more)
        except EgressTimeoutError:
            raise
        except EgressError as error:
            raise RuntimeError("it broke") from error


@planted("blocked", says="marked EgressBlockedError as retryable")
class BlockedMayBeRetried(Good):
    def request(self, context, method, url, **more):
        try:
            return super().request(context, method, url, **more)
        except EgressBlockedError as error:
            raise ConnectorError("it did not work", retryable=True) from error


@planted("cancellation")
class CancellationIsSwallowed(Good):
    def list(self, params, context):
        try:
            return super().list(params, context)
        except EgressCancelledError:
            return {"items": []}


@planted("cancellation")
class LeavesOutWhatWasCancelled(Good):
    def list(self, params, context):
        items = []
        for page in (1, 2):
            try:
                items += self.send(context, "GET", "/orders", params={"page": page}).json()["items"]
            except EgressCancelledError:
                items.append(None)
        if None in items:
            raise ConnectorError("not all pages came")
        return {"items": items}


@planted("cancellation")
class CancellationMayBeRetried(Good):
    def request(self, context, method, url, **more):
        try:
            return super().request(context, method, url, **more)
        except EgressCancelledError as error:
            raise ConnectorError("it did not work", code="failed", retryable=True) from error


@planted("cancellation")
class GoesOnWhenCancelled(Good):
    def list(self, params, context):
        for page in range(1, 500):
            found = self.send(context, "GET", "/orders", params={"page": page}).json()
            if page > 1 and found.get("next") is None and not context["cancelled"]():
                break
        return {"items": [1, 2]}


@planted("error_details")
class DetailsAreObjects(Good):
    def refusal(self, response, context):
        error = super().refusal(response, context)
        error.details["response"] = response
        return error


@planted("error_details")
class ErrorSaysNothing(Good):
    def refusal(self, response, context):
        error = super().refusal(response, context)
        error.message = ""
        return error


# --- secrets ----------------------------------------------------------------------------------------------------------


@planted("no_secret_in_logs")
class LogsTheToken(Good):
    def headers(self, context):
        logger.info("calling with %s", context["connection"]["token"])
        return super().headers(context)


@planted("no_secret_in_logs")
class LogsHeadersForDebugging(Good):
    def headers(self, context):
        found = super().headers(context)
        logger.debug("request", extra={"sent": found})
        return found


@planted("no_secret_in_logs")
class LogsTheTokenEncoded(Good):
    def headers(self, context):
        logger.warning("Basic %s", base64.b64encode(f"u:{context['connection']['token']}".encode()).decode())
        return super().headers(context)


@planted("no_secret_in_logs")
class LogsTheTokenToTheRun(Good):
    def headers(self, context):
        context["log"](f"token {context['connection']['token']}")
        return super().headers(context)


@planted("no_secret_printed")
class PrintsTheToken(Good):
    def headers(self, context):
        print(context["connection"])
        return super().headers(context)


@planted("no_secret_printed")
class WritesTheTokenToStderr(Good):
    def refusal(self, response, context):
        sys.stderr.write(f"failed with {context['connection']['token']}\n")
        return super().refusal(response, context)


@planted("no_secret_in_logs")
class LogsTheTokenApart(Good):
    apart = logging.getLogger("planted.apart")
    apart.propagate = False
    apart.addHandler(logging.NullHandler())

    def headers(self, context):
        self.apart.warning("token %s", context["connection"]["token"])
        return super().headers(context)


@planted("no_secret_printed")
class WritesTheTokenToTheDescriptor(Good):
    def headers(self, context):
        os.write(1, context["connection"]["token"].encode())
        return super().headers(context)


@planted("no_secret_printed")
class WritesTheTokenToTheFirstStdout(Good):
    def headers(self, context):
        sys.__stdout__.write(context["connection"]["token"])
        return super().headers(context)


@planted("no_secret_printed")
class WarnsOfTheToken(Good):
    def headers(self, context):
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn(f"{context['connection']['token']} will expire", stacklevel=1)
        return super().headers(context)


@planted("no_secret_in_output")
class GivesTheToken(Good):
    def create(self, params, context):
        return {**super().create(params, context), "sent": self.headers(context)}


@planted("no_secret_in_errors")
class TokenInTheMessage(Good):
    def refusal(self, response, context):
        return ConnectorError(f"refused with {context['connection']['token']}", retryable=response.status >= 429)


@planted("no_secret_in_errors")
class AnswerInTheMessage(Good):
    def refusal(self, response, context):
        error = super().refusal(response, context)
        return ConnectorError(f"failed: {response.text}", code=error.code, retryable=error.retryable)


@planted("no_secret_in_errors")
class TokenInTheCause(Good):
    def refusal(self, response, context):
        error = super().refusal(response, context)
        error.__cause__ = ValueError(f"GET /?token={context['connection']['token']}")
        return error


@planted("no_secret_in_details")
class TokenInTheDetails(Good):
    def refusal(self, response, context):
        error = super().refusal(response, context)
        error.details["headers"] = self.headers(context)
        return error


# --- files and versions -------------------------------------------------------------------------------------------------


@planted("files", says="leaves files open")
class LeavesAFileOpen(Good):
    def copy(self, params, context):
        return {"copy": context["files"].create("copy.txt", context["files"].open(params["file"]).read())}


@planted("files", says="is not read")
class ReadsNoFile(Good):
    def copy(self, params, context):
        return {"copy": context["files"].create("copy.txt", b"any")}


@planted("files", says="is not a file that")
class MakesUpAFile(Good):
    def copy(self, params, context):
        return {"copy": {**super().copy(params, context)["copy"], "$file": "made-up"}}


@planted("versions", says="declare a migration from each of")
class NoMigrationOfAnOlderVersion(Good):
    actions = (*Good.actions[:2], replace(Good.actions[2], migrations={}), Good.actions[3])


@planted("versions", says="do not fit version 2")
class MigrationMissesAnInput(Good):
    actions = (*Good.actions[:2], replace(Good.actions[2], migrations={1: dict}), Good.actions[3])


@planted("versions", says="The migration of total")
class MigrationFails(Good):
    actions = (
        *Good.actions[:2],
        replace(Good.actions[2], migrations={1: lambda inputs: inputs["old"]}),
        Good.actions[3],
    )


# --- what it says of itself -------------------------------------------------------------------------------------------


@planted("made_without_arguments")
class NeedsArguments(Good):
    def __init__(self, base_url):
        self.base_url = base_url


@planted("identity")
class CodeIsNoCode(Good):
    code = "My ERP!"


@planted("identity")
class HasNoName(Good):
    name = ""


@planted("identity")
class IsNoConnector:
    code = name = "good"
    hue, icon = 250, "power"


@planted("actions")
class TwoActionsOfAName(Good):
    actions = (*Good.actions, Good.actions[0])


@planted("actions")
class EffectIsAText(Good):
    actions = (Action(name="create", effect="sends"), *Good.actions[1:])


@planted("actions")
class DefaultDoesNotFit(Good):
    config_fields = (*Good.config_fields, FieldSpec(name="port", kind=FieldKind.INTEGER, default="443"))


@planted("actions")
class ChoiceWithoutChoices(Good):
    config_fields = (*Good.config_fields, FieldSpec(name="region", kind=FieldKind.CHOICE))


@planted("actions")
class SecretIsAnInput(Good):
    actions = (Action(name="sign_in", fields=(FieldSpec(name="pin", kind=FieldKind.SECRET),)), *Good.actions)


@planted("actions")
class SecretIsAColumnOfAnInput(Good):
    people = FieldSpec(name="people", kind=FieldKind.LIST, columns=(FieldSpec(name="pin", kind=FieldKind.SECRET),))
    actions = (Action(name="invite", fields=(people,)), *Good.actions)


@planted("every_action", says="no case calls delete")
class NoCaseCallsAnAction(Good):
    actions = (*Good.actions, Action(name="delete", fields=(FieldSpec(name="id", kind=FieldKind.INTEGER),)))


@planted("good_input", cases=(Case(action="create", params={"itme": "anvil"}),))
class CaseDoesNotFit(Good):
    pass


@planted("good_input")
class ActionIsNotThere(Good):
    actions = Good.actions[1:]


@planted("secret_fields")
class SecretIsText(Good):
    config_fields = (*Good.config_fields[:2], FieldSpec(name="token", required=True))


@planted("secret_fields")
class SecretOfSomethingIsText(Good):
    config_fields = (*Good.config_fields, FieldSpec(name="bot_token"))


@planted("secret_fields")
class SecretByItsLabelIsText(Good):
    config_fields = (*Good.config_fields, FieldSpec(name="entry", label="API key"))


@planted("secret_fields")
class SecretUnderAnyNameIsText(Good):
    def headers(self, context):
        return {**super().headers(context), "X-Api-Key": context["connection"]["account"]}


@planted("secret_fields", cases=())
class SecretWithoutCasesIsText(Good):
    config_fields = (*Good.config_fields[:2], FieldSpec(name="entry", required=True))
    actions = Good.actions[1:2]

    def headers(self, context):
        return {"Authorization": f"Bearer {context['connection']['entry']}"}


@planted("own_hosts")
class OwnHostIsAUrl(Good):
    def own_hosts(self, config):
        return ("https://erp.example.com/v1",)


@planted("own_hosts")
class OwnHostsAreOneText(Good):
    def own_hosts(self, config):
        return "erp.example.com"


@planted("own_hosts")
class OwnHostsOfTheEmptyConfig(Good):
    def own_hosts(self, config):
        return (config["base_url"].partition("//")[2],)


@planted("validate_config_refuses")
class ValidatesNothing(Good):
    def validate_config(self, config):
        return str(config.get("base_url", "")).startswith("https:")


@planted("validate_config_refuses", bad_configs=({"base_url": "https://example.com"},))
class AcceptsABadConfig(Good):
    pass


@planted("validate_config")
class ValidatesWithAKeyError(Good):
    def validate_config(self, config):
        if not config["base_url"].startswith("https:"):
            raise ValueError("base_url must begin with https://")


@planted("validate_config")
class ValidationChangesTheConfig(Good):
    def validate_config(self, config):
        config["base_url"] = str(config.get("base_url", "")).rstrip("/")


@planted("validate_config_accepts")
class RefusesReferences(Good):
    def validate_config(self, config):
        if not str(config.get("token")).startswith("sk_"):
            raise ValueError("a token begins with sk_")


# --- aids -------------------------------------------------------------------------------------------------------------


@planted("check_connection")
class CheckAsksNobody(Good):
    def check_connection(self, context):
        return "It works"


@planted("check_connection")
class CheckTakesARefusalForSuccess(Good):
    def check_connection(self, context):
        self.request(context, "GET", context["connection"]["base_url"], headers=self.headers(context))
        return "It works"


@planted("check_connection")
class CheckIsMisspelt(Good):
    def check_connection(self, context):
        return self.sned(context, "GET", "/me")


@planted("check_connection")
class CheckSaysNothing(Good):
    def check_connection(self, context):
        self.send(context, "GET", "/me")


@planted("check_connection")
class CheckDeletes(Good):
    def check_connection(self, context):
        self.send(context, "DELETE", "/sessions")
        return "It works"


@planted("check_connection")
class CheckShowsTheToken(Good):
    def check_connection(self, context):
        self.send(context, "GET", "/me")
        return f"It works with {context['connection']['token']}"


@planted("check_connection")
class CheckDoesNotSayWhatIsRefused(Good):
    def check_connection(self, context):
        try:
            return super().check_connection(context)
        except ConnectorError as error:
            raise ConnectorError("it does not work", code="failed") from error


@planted("check_connection", says="never succeeds")
class CheckNeverSucceeds(Good):
    def check_connection(self, context):
        found = self.read(self.send(context, "GET", "/me"))
        if "name_of_the_person" not in found:
            raise ConnectorError("the answer has no name", code="invalid_answer")
        return found["name_of_the_persn"]


@planted("check_connection", says="keep no answer")
class CheckIsKeptForAllConnections(Good):
    def check_connection(self, context):
        if "line" not in vars(type(self)):
            type(self).line = super().check_connection(context)
        return self.line


@planted("options", says="never succeeds")
class OptionsNeverSucceed(Good):
    def options(self, name, params, context):
        found = self.read(self.send(context, "GET", "/items"))
        if "all_items" not in found:
            raise ConnectorError("the answer has no items", code="invalid_answer")
        return found


@planted("options")
class OptionsAreMissing(Good):
    options = ConnectorAdapter.options


@planted("options")
class OptionsAreNoPairs(Good):
    def options(self, name, params, context):
        self.send(context, "GET", "/items")
        return ["anvil", "hammer"]


@planted("options")
class OptionsTakeARefusalForNone(Good):
    def options(self, name, params, context):
        try:
            return super().options(name, params, context)
        except ConnectorError:
            return []


@planted("options")
class OptionsAreBare(Good):
    def options(self, name, params, context):
        raise RuntimeError("not written yet")


@planted("describe")
class DescriptionAsks(Good):
    def describe(self, action, params, context):
        context["http"].request("GET", "https://erp.example.com/me")
        return {"summary": "Create an order"}


@planted("describe")
class DescriptionHasNoSummary(Good):
    def describe(self, action, params, context):
        return {"item": params.get("item")}


@planted("describe")
class DescriptionNeedsTheToken(Good):
    def describe(self, action, params, context):
        return {"summary": f"with {context['connection']['token'][:2]}..."}


# --- webhooks, as they are described ----------------------------------------------------------------------------------


@planted("webhooks", says="the sample of order")
class WebhookWithoutSample(Good):
    webhooks = (Webhook(name="order", scheme="hmac"),)


@planted("webhooks", says="in which `event_field` looks")
class WebhookReadsAnotherField(Good):
    webhooks = (replace(Good.webhooks[0], scheme_config={"event_field": "kind"}),)


@planted("webhooks", says="Unknown scheme")
class WebhookOfAnUnknownScheme(Good):
    webhooks = (Webhook(name="order", scheme="nope", sample={"number": 7}),)


@planted("webhooks", says="no method `remove_webhook`")
class WebhooksThatStay(Good):
    remove_webhook = ConnectorAdapter.remove_webhook


@planted("webhooks", says="has the name of its event types")
class WebhookWithAFieldOfEvents(Good):
    webhooks = (Webhook(name="order", scheme="hmac", sample={"number": 7}, fields=(FieldSpec(name="events"),)),)


# --- polls, as they are described -------------------------------------------------------------------------------------


@planted("polls", says="the sample of new_order")
class PollWithoutSample(Good):
    polls = (Poll(name="new_order"),)


@planted("polls", says="has no method")
class PollsWithoutMethod(Good):
    poll = ConnectorAdapter.poll


class _LogsTheTokenOn(Good):
    status = 0
    on_page = 1

    def request(self, context, method, url, **more):
        response = context["http"].request(method, url, **more)
        page = (more.get("params") or {}).get("page", 1)
        if response.status == self.status and page >= self.on_page:
            logger.warning("refused with %s", context["connection"]["token"])
        return response


@planted("no_secret_in_logs", says="a record of `logging` shows a secret")
class LogsTheTokenOnForbidden(_LogsTheTokenOn):
    status = 403


@planted("no_secret_in_logs", says="a record of `logging` shows a secret")
class LogsTheTokenOnServerError(_LogsTheTokenOn):
    status = 500


@planted("no_secret_in_logs", says="list: a record of `logging` shows a secret")
class LogsTheTokenOnThePageBehind(_LogsTheTokenOn):
    status = 404
    on_page = 2
