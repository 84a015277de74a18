"""The contract tests of polls, against a list of records to which the suite adds some."""

from __future__ import annotations

from automate_testing.contracts import PollContractTest, PollSource
from automate_testing.fakes import ScriptedHttp, answer, context
from $name.connector import $class_name


class Records(PollSource):
    """The service: it lists the records since a time."""

    connection = {"base_url": "https://api.example.com", "token": "any"}

    def __init__(self):
        self.records = []

    def add(self, number, at):
        self.records.append({"number": number, "title": "Anvil", "at": at.isoformat()})

    def context(self):
        return context(ScriptedHttp(self.respond), dict(self.connection))

    def respond(self, request):
        since = request.params.get("since", "")
        found = [record for record in self.records if record["at"] >= since]
        return answer(200, {"records": sorted(found, key=lambda record: (record["at"], record["number"]))})


class TestPolls(PollContractTest):
    adapter_cls = $class_name
    poll_sources = {"new_record": Records}
