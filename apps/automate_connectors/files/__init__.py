"""Files in the inputs and outputs of connectors."""
