"""A good executor, whose broker is a folder, and what can be wrong with one and its consumer."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from automate_core.engine.executor import Executor, ExecutorError
from automate_core.models import HandedOutStep
from tests.contracts.planted import Fault, planter

FAULTS: list[Fault] = []
planted = planter(FAULTS)


class GoodExecutor(Executor):
    """Each message is a file whose name is the step's id and the token."""

    code = "folder"
    name = "Folder"

    def validate_options(self, options):
        if options.keys() != {"folder"}:
            raise ValueError("The executor folder needs the option folder, and no other.")

    def send(self, pool, messages):
        try:
            for message in messages:
                self.write(Path(pool.options["folder"]), message)
        except OSError as error:
            raise ExecutorError(str(error)) from error

    def write(self, folder, message):
        (folder / f"{message.step_id}.{message.token}").touch()


@planted("made_without_arguments")
class NeedsArguments(GoodExecutor):
    def __init__(self, url):
        self.url = url


@planted("identity", "name must be a text")
class NoName(GoodExecutor):
    name = 7


@planted("identity", "code is lower-case")
class LoudCode(GoodExecutor):
    code = "Folder!"


@planted("identity", "must be True or False")
class FlagIsAText(GoodExecutor):
    reports_consumers = "yes"


@planted("options", "accepts")
class AcceptsAnyOption(GoodExecutor):
    def validate_options(self, options):
        pass


@planted("options", "raise ValueError")
class ValidatesWithAKeyError(GoodExecutor):
    def validate_options(self, options):
        if options.keys() != {"folder"}:
            raise KeyError("folder")


@planted("options", "refuses the options of the suite")
class RefusesItsOptions(GoodExecutor):
    def validate_options(self, options):
        raise ValueError("No.")


@planted("sends", "must return nothing")
class ReturnsACount(GoodExecutor):
    def send(self, pool, messages):
        super().send(pool, messages)
        return len(messages)


@planted("sends", "did not return", call_seconds=0.3)
class Blocks(GoodExecutor):
    def send(self, pool, messages):
        time.sleep(60)


@planted("sends", "does not have the message")
class SendsLater(GoodExecutor):
    def send(self, pool, messages):
        later = threading.Timer(3600, super().send, [pool, messages])
        later.daemon = True
        later.start()
        later.cancel()


@planted("sends_all", "199 of 200 messages")
class SendsTheFirst(GoodExecutor):
    def send(self, pool, messages):
        super().send(pool, messages[:1])


@planted("ids_only", "reads the table automate_core_handedoutstep")
class SendsTheInputs(GoodExecutor):
    def write(self, folder, message):
        params = HandedOutStep.objects.filter(pk=message.step_id).values_list("params", flat=True).first()
        (folder / f"{message.step_id}.{message.token}").write_text(str(params))


@planted("ids_only", "lacks the step's id or its token")
class SendsNoToken(GoodExecutor):
    def write(self, folder, message):
        (folder / f"{message.step_id}").touch()


@planted("broker_away", "the message is lost")
class SwallowsAFailedSend(GoodExecutor):
    def send(self, pool, messages):
        try:
            super().send(pool, messages)
        except ExecutorError as error:
            print(error)


@planted("broker_away", "raise ExecutorError")
class RaisesTheErrorOfTheBroker(GoodExecutor):
    def send(self, pool, messages):
        for message in messages:
            self.write(Path(pool.options["folder"]), message)


# --- its consumer: tests/contracts/planted/executor_consumer.py -------------------------------------------------------


@planted("performs", "as a UUID", consumer_fault="id_as_text")
class PassesTheIdAsAText(GoodExecutor):
    pass


@planted("performs", "takes the token of the message", consumer_fault="no_token")
class ClaimsWithoutTheToken(GoodExecutor):
    pass


@planted("performs", "names the process", consumer_fault="no_name")
class NamesNoProcess(GoodExecutor):
    pass


@planted("performs", "stays at the broker", consumer_fault="never_acks", receive_seconds=2)
class NeverRemovesAMessage(GoodExecutor):
    pass


@planted("kept_while_performed", "acknowledge it after the outcome", consumer_fault="acks_first")
class AcknowledgesBeforeTheOutcome(GoodExecutor):
    pass


@planted("killed", "no consumer called perform_step", consumer_fault="leaves_a_lock", receive_seconds=2)
class IsBlockedByADeadConsumer(GoodExecutor):
    pass


@planted("sent_again", "no consumer called perform_step", consumer_fault="drops_known", receive_seconds=2)
class DropsWhatIsSentAgain(GoodExecutor):
    pass


@planted("goes_on", "does not perform the next step", consumer_fault="dies")
class EndsWithAnError(GoodExecutor):
    pass


@planted("reports", "did not report", consumer_fault="no_reports", receive_seconds=2)
class ReportsNothing(GoodExecutor):
    pass
