"""The data picker, previews and samples in the builder."""
