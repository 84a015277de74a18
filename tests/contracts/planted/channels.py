"""A good notification channel, and what can be wrong with one."""

from __future__ import annotations

import time
import uuid

import requests

from automate_operations.notifications.channels.contract import NotDeliveredError, NotificationChannel
from automate_plugins.fields import FieldKind, FieldSpec
from tests.contracts.planted import Fault, planter

FAULTS: list[Fault] = []
planted = planter(FAULTS)
CONFIG = {"url": "https://pager.example/v2", "team": "ops", "token": "env:PAGER"}


class GoodChannel(NotificationChannel):
    """Posts to a pager."""

    code = "pager"
    name = "Pager"
    config_fields = (
        FieldSpec(name="team", label="Team", required=True),
        FieldSpec(name="url", label="URL", kind=FieldKind.URL, required=True),
        FieldSpec(name="token", label="Token", kind=FieldKind.SECRET, required=True),
    )

    def send(self, message, config, context):
        answer = context["http"].request(
            "POST",
            config["url"],
            headers={"Authorization": f"Bearer {config['token']}", "Idempotency-Key": self.key(message)},
            json={"summary": message.subject, "team": config["team"]},
        )
        self.check(answer, config)

    def key(self, message):
        return message.id

    def check(self, answer, config):
        if answer.status >= 400:
            again = answer.status >= 500 or answer.status == 429
            raise NotDeliveredError(f"The pager responded with HTTP {answer.status}.", again=again)


@planted("made_without_arguments")
class NeedsArguments(GoodChannel):
    def __init__(self, url):
        self.url = url


@planted("identity", "name must be text")
class NoName(GoodChannel):
    name = 7


@planted("identity", "kinds of these config_fields")
class ListedSetting(GoodChannel):
    config_fields = (*GoodChannel.config_fields, FieldSpec(name="rooms", label="Rooms", kind=FieldKind.LIST))


@planted("good_config", "validate_config refuses")
class RefusesReferences(GoodChannel):
    def validate_config(self, config):
        if ":" in config.get("token", ""):
            raise ValueError("A token has no colon.")


@planted("validate_config", "raise ValueError")
class ValidatesWithAKeyError(GoodChannel):
    def validate_config(self, config):
        config["team"]


@planted("target", "must return a text")
class TargetIsAList(GoodChannel):
    def target(self, config):
        return [config["team"]]


@planted("target", "without secrets")
class TargetShowsTheToken(GoodChannel):
    def target(self, config):
        return f"{config['team']} {config['token']}"


@planted("sends", "must return nothing")
class ReturnsTheAnswer(GoodChannel):
    def send(self, message, config, context):
        super().send(message, config, context)
        return True


@planted("sends", "makes no request")
class SendsNothing(GoodChannel):
    def send(self, message, config, context):
        pass


@planted("sends", "guarded session")
class SendsBesideTheSession(GoodChannel):
    def send(self, message, config, context):
        requests.post(config["url"], json={}, timeout=1)


@planted("sends", "did not return", call_seconds=0.3)
class Blocks(GoodChannel):
    def send(self, message, config, context):
        time.sleep(60)


@planted("inputs_untouched", "changes the message or the settings")
class TakesTheToken(GoodChannel):
    def send(self, message, config, context):
        super().send(message, config, context)
        del config["token"]


@planted("attempts_are_alike", "message.id")
class NewKeyEachTime(GoodChannel):
    def key(self, message):
        return uuid.uuid4().hex


@planted("may_try_again", "again=True")
class GivesUpAtOnce(GoodChannel):
    def check(self, answer, config):
        if answer.status >= 400:
            raise NotDeliveredError("No.", again=False)


@planted("may_try_again", "raise NotDeliveredError")
class RaisesSomethingElse(GoodChannel):
    def check(self, answer, config):
        if answer.status >= 400:
            raise RuntimeError("No.")


@planted("final", "again=False")
class TriesForEver(GoodChannel):
    def check(self, answer, config):
        if answer.status >= 400:
            raise NotDeliveredError("No.", again=True)


@planted("no_secret_shown", "an error shows a secret")
class ErrorShowsTheToken(GoodChannel):
    def check(self, answer, config):
        if answer.status >= 400:
            error = NotDeliveredError("No.", again=answer.status >= 500)
            error.details = dict(config)
            raise error
