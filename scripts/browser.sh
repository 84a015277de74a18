#!/bin/sh
# Makes sure that the browser tests find a Chromium: an installed one, Debian's, or Playwright's own.
set -u
cd "$(dirname "$0")/.." || exit 2

for name in chromium chromium-browser google-chrome; do
  command -v "$name" >/dev/null 2>&1 && exit 0
done
.venv/bin/python - <<'PYTHON' && exit 0
import pathlib, sys
from playwright.sync_api import sync_playwright

with sync_playwright() as playwright:
    sys.exit(not pathlib.Path(playwright.chromium.executable_path).exists())
PYTHON

echo "Installing a browser for the tests" >&2
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  (apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium) >/dev/null 2>&1 && exit 0
fi
.venv/bin/playwright install chromium >/dev/null 2>&1 && exit 0
echo "The browser tests need Chromium: install your system's package (Debian: apt-get install chromium) and run this again." >&2
exit 2
