"""The parts of a plug-in: described inputs, and a registry over entry points. Standard library only."""
