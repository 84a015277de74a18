"""Checks of actions that read or write files."""

from __future__ import annotations

import pytest

from automate_connectors.adapters.base import ConnectorAdapter
from automate_plugins.fields import FieldKind
from automate_plugins.files import FILE_KEY, is_file
from automate_testing.contracts.suite import ConnectorSuite
from automate_testing.fakes import MemoryFiles


class ConnectorFiles(ConnectorSuite):
    """Checks of the files that pass through `context["files"]`."""

    def test_contract_files(self, adapter: ConnectorAdapter) -> None:
        """A file input is read by context["files"] and closed; an output of the kind file was created there."""
        found = [case for case in self.cases if case.run and self._has_files(adapter, case.action)]
        if not found:
            pytest.skip(f"no case of {adapter.code} reads or writes a file")
        for case in found:
            attempt = self.attempt(adapter, case)
            output, files = attempt.output, attempt.context["files"]
            assert isinstance(files, MemoryFiles)
            given = [case.params.get(spec.name) for spec in self.action(adapter, case).fields or ()]
            for value in filter(is_file, given):
                assert value[FILE_KEY] in files.opened, f"{case}: the file {value['name']} is not read"
            assert not files.unclosed, f"{case}: leaves files open: use `with context['files'].open(value) as file`"
            for spec in self.action(adapter, case).outputs:
                if spec.kind is FieldKind.FILE and (value := output[spec.name]) is not None:
                    assert is_file(value) and value[FILE_KEY] in files.contents, (
                        f"{case}: the output {spec.name!r} is not a file that context['files'].create() returned"
                    )

    def _has_files(self, adapter: ConnectorAdapter, name: str) -> bool:
        action = adapter.action(name)
        return any(spec.kind is FieldKind.FILE for spec in (*(action.fields or ()), *action.outputs))
