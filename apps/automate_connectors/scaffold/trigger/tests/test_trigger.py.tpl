"""The contract tests of triggers that poll."""

from automate_testing.contracts import PollingTriggerContractTest, PollSource
from automate_testing.fakes import ScriptedHttp, answer, context
from $name.trigger import $class_name


class Records(PollSource):
    """The list, of which the suite makes the records."""

    params = {"url": "https://$distribution.example.com/records"}

    def __init__(self):
        self.records = []

    def add(self, number, at):
        self.records.append({"number": number, "at": at.isoformat()})

    def context(self):
        return context(_List(self))


class _List(ScriptedHttp):
    def __init__(self, source):
        super().__init__()
        self.source = source

    def request(self, method, url, *, params=None, **more):
        since = (params or {}).get("since", "")
        found = [record for record in self.source.records if record["at"] >= since]
        return answer(200, {"records": sorted(found, key=lambda record: (record["at"], record["number"]))})


class Test$class_name(PollingTriggerContractTest):
    trigger_cls = $class_name
    source = Records
