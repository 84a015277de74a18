"""The contract tests of secrets backends."""

from __future__ import annotations

import contextlib

import pytest

from automate_governance.secrets.interfaces import SecretNotFoundError
from automate_testing.contracts import SecretsBackendContractTest
from $name.secrets import $class_name


class Test$class_name(SecretsBackendContractTest):
    backend_cls = $class_name

    @pytest.fixture(autouse=True)
    def folder(self, tmp_path, monkeypatch):
        monkeypatch.setenv("${upper}_FOLDER", str(tmp_path))
        self.place = tmp_path

    def put(self, key, value):
        (self.place / key).write_text(f"{value}\n")

    @contextlib.contextmanager
    def unavailable(self):
        for file in self.place.iterdir():
            file.unlink()
            file.mkdir()  # cannot be read, though it is there
        yield

    def test_key_cannot_leave_the_folder(self):
        with pytest.raises(SecretNotFoundError):
            $class_name().get_secret("../passwd")
