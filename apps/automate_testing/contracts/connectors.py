"""The contract of connectors."""

from __future__ import annotations

from automate_testing.contracts.files import ConnectorFiles
from automate_testing.contracts.isolation import ConnectorIsolation
from automate_testing.contracts.outages import ConnectorOutages
from automate_testing.contracts.results import ConnectorResults
from automate_testing.contracts.secrecy import ConnectorSecrecy
from automate_testing.contracts.setup_methods import ConnectorSetupMethods
from automate_testing.contracts.structure import ConnectorStructure


class ConnectorContractTest(
    ConnectorStructure,
    ConnectorResults,
    ConnectorFiles,
    ConnectorIsolation,
    ConnectorOutages,
    ConnectorSecrecy,
    ConnectorSetupMethods,
):
    """What every connector keeps. `cases` are optional; values of secret fields in them are replaced by a canary."""
