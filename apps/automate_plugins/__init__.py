"""What a plug-in is made of: described inputs and a registry over entry points. Standard library only."""
