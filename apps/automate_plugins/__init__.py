"""The parts of a plug-in: described inputs, and a registry over entry points. Standard library only."""

from automate_plugins.texts import ntext, text

__all__ = ["ntext", "text"]
