"""The contract tests of executors."""

from pathlib import Path

from automate_testing.contracts import ExecutorContractTest
from $name.executor import $class_name


class Test$class_name(ExecutorContractTest):
    executor_cls = $class_name
    bad_options = ({}, {"folder": ""}, {"folder": 7})
    away_options = {"folder": "/nowhere/$name"}

    def open_broker(self, folder):
        return {"folder": str(folder)}

    def stored(self, pool):
        return [path.name for path in Path(pool.options["folder"]).iterdir()]

    def consumer(self, pool):
        return ["$name.consumer", pool.name, pool.options["folder"]]
