"""For authors of plug-ins: contract suites to inherit from, fakes to test against, pytest fixtures."""
