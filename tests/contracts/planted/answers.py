"""Connectors that read answers of another shape, page without an end, or write a secret into a URL."""

from __future__ import annotations

from automate_connectors.adapters.base import ConnectorError
from automate_plugins.fields import FieldKind, FieldSpec
from automate_testing.fakes import answer
from tests.contracts.planted import Fault, planter
from tests.contracts.planted.connectors import Good

FAULTS: list[Fault] = []
planted = planter(FAULTS)
ITEMS = {"options_answers": {"items": (answer(200, {"items": [{"id": "7", "name": "Anvil"}]}),)}}
ME = {"check_answers": (answer(200, {"name": "Ada", "roles": ["admin"]}),)}


# --- options and the test of a connection, on answers of another shape ------------------------------------------------


@planted("options", says="raises KeyError on the answer", **ITEMS)
class OptionsNeedAMember(Good):
    def options(self, name, params, context):
        found = self.read(self.send(context, "GET", "/items"))
        return [(each["id"], each["name"]) for each in found["items"]]


@planted("options", says="raises AttributeError on the answer []", **ITEMS)
class OptionsNeedAnObject(Good):
    def options(self, name, params, context):
        found = self.send(context, "GET", "/items").json()
        return [] if found is None else [(each["id"], each["name"]) for each in found.get("items", [])]


@planted("options", says="raises TypeError on the answer null", **ITEMS)
class OptionsNeedAnAnswer(Good):
    def options(self, name, params, context):
        found = self.send(context, "GET", "/items").json()
        return [(each, each) for each in found if isinstance(each, str)] if isinstance(found, list) else [*found][:0]


@planted("options", says="raises TypeError on the answer")
class OptionsNeedObjects(Good):
    def options(self, name, params, context):
        found = self.send(context, "GET", "/items").json()
        return [(each["id"], each["name"]) for each in found] if isinstance(found, list) else []


@planted("options", says="raises KeyError on the answer")
class OptionsNeedAMemberOfAnAnswerThatIsNotDeclared(OptionsNeedAMember):
    pass


@planted("check_connection", says="raises KeyError on the answer", **ME)
class CheckNeedsAMember(Good):
    def check_connection(self, context):
        return f"Signed in as {self.read(self.send(context, 'GET', '/me'))['name']}"


@planted("check_connection", says="raises AttributeError on the answer []", **ME)
class CheckNeedsAnObject(Good):
    def check_connection(self, context):
        found = self.send(context, "GET", "/me").json()
        return f"Signed in as {'' if found is None else found.get('name')}"


@planted("check_connection", says="raises IndexError on the answer", **ME)
class CheckNeedsARole(Good):
    def check_connection(self, context):
        roles = self.read(self.send(context, "GET", "/me")).get("roles", [])
        return f"Signed in as {roles[0]}"


@planted(
    "check_connection",
    says="raises KeyError on the answer",
    check_answers=(answer(200, {"id": 7}), answer(200, {"name": "Ada"})),
)
class CheckNeedsAMemberOfItsSecondAnswer(Good):
    def check_connection(self, context):
        number = self.read(self.send(context, "GET", "/me")).get("id")
        return self.read(self.send(context, "GET", f"/people/{number}"))["name"]


# --- options and the test of a connection, with a secret in their errors ----------------------------------------------


class _ShowsTheTokenOnForbidden(Good):
    def refusal(self, response, context):
        error = super().refusal(response, context)
        if response.status == 403:
            error.message = f"{context['connection']['token']} is not let in"
        return error


@planted("options", says="options('items') shows a secret", **ITEMS)
class OptionsShowTheTokenOnForbidden(_ShowsTheTokenOnForbidden):
    pass


@planted("check_connection", says="check_connection shows a secret")
class CheckShowsTheTokenOnForbidden(_ShowsTheTokenOnForbidden):
    pass


class _QuotesTheAnswer(Good):
    def refusal(self, response, context):
        error = super().refusal(response, context)
        return ConnectorError(f"failed: {response.text}", code=error.code, retryable=error.retryable)


@planted("options", says="the error's message quotes the answer to HTTP 401", **ITEMS)
class OptionsQuoteTheAnswer(_QuotesTheAnswer):
    pass


@planted("check_connection", says="the error's message quotes the answer to HTTP 401", **ME)
class CheckQuotesTheAnswer(_QuotesTheAnswer):
    pass


# --- pages without an end ---------------------------------------------------------------------------------------------


@planted("endless_pages", says="list: the service repeats its first page")
class AsksForTheSamePageForEver(Good):
    def list(self, params, context):
        items, page = [], 1
        while page is not None and not context["cancelled"]():
            found = self.read(self.send(context, "GET", "/orders", params={"page": page}))
            items += found.get("items", [])
            page = found.get("next")
        return {"items": items}


@planted("endless_pages", says="asked 20 times and more", most_pages=20)
class AsksForMorePagesThanItsSuiteAllows(Good):
    def list(self, params, context):
        items, page = [], 1
        for _ in range(30):
            found = self.read(self.send(context, "GET", "/orders", params={"page": page}))
            items += found.get("items", [])
            page = found.get("next")
            if page is None:
                break
        return {"items": items}


# --- secrets in a URL -------------------------------------------------------------------------------------------------


@planted("no_secret_in_url", says="the URL of a POST has a secret")
class TokenInTheQuery(Good):
    def request(self, context, method, url, **more):
        query = {**(more.pop("params", None) or {}), "token": context["connection"]["token"]}
        return super().request(context, method, url, params=query, **more)


@planted("no_secret_in_url", says="list: the URL of a GET has a secret")
class TokenInThePathOfAPage(Good):
    def request(self, context, method, url, **more):
        is_second = (more.get("params") or {}).get("page") == 2
        url = f"{url}/{context['connection']['token']}" if is_second else url
        return super().request(context, method, url, **more)


@planted("no_secret_in_url", says="check_connection: the URL of a GET has a secret")
class TokenInTheUrlOfTheCheck(Good):
    def check_connection(self, context):
        self.send(context, "GET", f"/me?token={context['connection']['token']}")
        return "It answers"


@planted("no_secret_in_url", says="is no secret of a connection", secrets_in_url=("account",))
class NamesASettingThatIsNoSecret(Good):
    pass


@planted("no_secret_in_url", says="has a secret", secrets_in_url=("key",))
class NamesOneOfTwoSecretsInTheUrl(Good):
    config_fields = (*Good.config_fields, FieldSpec(name="key", kind=FieldKind.SECRET))

    def request(self, context, method, url, **more):
        return super().request(context, method, f"{url}?t={context['connection']['token']}", **more)


class TokenInTheUrlAsTheServiceRequires(Good):
    """A good one, if its suite says so: the path has the token, and errors do not show it."""

    def request(self, context, method, url, **more):
        base = context["connection"]["base_url"]
        url = url.replace(base, f"{base}/bot{context['connection']['token']}")
        return super().request(context, method, url, **more)


class StopsAfterSomePages(Good):
    """A good one: it takes a repeated page for another one, and stops after ten."""

    def list(self, params, context):
        items, page = [], 1
        for _ in range(10):
            found = self.read(self.send(context, "GET", "/orders", params={"page": page}))
            items += found.get("items", [])
            page = found.get("next")
            if page is None:
                return {"items": items}
        raise ConnectorError("there are more than 10 pages", code="too_many_pages")
