"""Names of Material Symbols that pages use; a browser proves that Unfold's font has them."""

from __future__ import annotations

from pathlib import Path

ICONS = frozenset((Path(__file__).parent / "icons.txt").read_text().split())
