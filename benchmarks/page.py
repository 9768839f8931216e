"""How large a report's page is, and how long a browser takes to open it and to filter its rows.

    .venv/bin/python -m benchmarks.page oof/boyu/report.html [--search TEXT]

Chromium opens the file without a window, once for each filter, which its address names; the page says itself how long
it took to find and draw the rows, and until all was ready.
"""

import argparse
import re
import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlencode

FILTERS: tuple[dict[str, str], ...] = (
    {}, {"which": "wrong"}, {"which": "disagree"}, {"order": "spread"}, {"label": "0"}, {"fold": "0"})


def opened(browser: str, page: Path, chosen: dict[str, str]) -> tuple[str, float, float]:
    """The count of rows that the page shows with a filter, the milliseconds that it took to find and draw them, and
    those from the navigation's begin until all was ready."""
    address = page.resolve().as_uri() + (f"#rows?{urlencode(chosen)}" if chosen else "")
    shown = subprocess.run([browser, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", address],
                           capture_output=True, text=True, check=True).stdout
    found = [re.search(pattern, shown) for pattern in (
        r'id="count"[^>]*>([^<]*)<', r'data-milliseconds="([0-9.]+)"', r'data-ready="([0-9.]+)"')]
    count, took, ready = [match[1] if match else "" for match in found]
    assert ready, "the page's script has not run"
    return count, float(took), float(ready)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("--search", default="a")
    arguments = parser.parse_args()
    browser = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))),
                   None)
    if browser is None:
        parser.error("no Chromium on this machine")
    print(f"{arguments.page}: {arguments.page.stat().st_size / 1e6:.2f} MB")
    for chosen in (*FILTERS, {"q": arguments.search}):
        count, took, ready = opened(browser, arguments.page, chosen)
        print(f"{urlencode(chosen) or 'all':<24} {took:7.1f} ms, ready after {ready:5.0f} ms   {count}")


if __name__ == "__main__":
    main()
