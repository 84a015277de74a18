[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "$distribution"
version = "0.1.0"
description = "$title for Django Automate"
readme = "README.md"
requires-python = ">=3.12"
dependencies = ["django-automate"]

[project.optional-dependencies]
dev = ["pytest>=9"]

[project.entry-points."$group"]
$name = "$name.$module:$class_name"

[tool.hatch.build.targets.wheel]
packages = ["src/$name"]

[tool.pytest.ini_options]
pythonpath = ["src"]
testpaths = ["tests"]
