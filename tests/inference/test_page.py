"""The page in a real browser: texts become labels, scores and shaded characters, and nothing of them is run."""

import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.conftest import ROOT

CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))),
                None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def address(finished: Path) -> Iterator[str]:
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "stages", "serve", "toy", "--port", str(port)], cwd=finished,
                          env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}) as server:
        address = f"http://127.0.0.1:{port}"
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/health", timeout=1)
                break
            except OSError:
                time.sleep(0.1)
        yield address
        server.terminate()
        assert server.wait(10) in (0, 143)


def rendered(address: str, texts: str) -> str:
    """The page's DOM after it has asked for these texts."""
    done = subprocess.run([str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=8000",
                           "--dump-dom", f"{address}/#texts={quote(texts)}"], capture_output=True, text=True,
                          timeout=120, check=True)
    return done.stdout


def test_texts_become_answers(address: str) -> None:
    page = rendered(address, "香辣a\n很好")
    assert "<title>Run toy, stage2</title>" in page
    answers = page.split('<div class="answer">')[1:]
    assert len(answers) == 2
    shaded = r'<span class="token" style="background: rgba\(216, 116, 63, ([0-9.]+)\);">(.)</span>'
    tokens = re.findall(shaded, answers[0])
    assert [token for _, token in tokens] == ["香", "辣", "a"]
    assert max(float(shade) for shade, _ in tokens) == pytest.approx(0.8, abs=0.01)
    assert re.search(r'<span class="label">[01]</span>', answers[0])
    assert re.search(r'<span class="score"> [01]\.\d{4}</span>', answers[1])


def test_markup_stays_text_and_an_error_is_told(address: str) -> None:
    page = rendered(address, "<img src=x onerror=\"document.title='hacked'\">")
    assert "<title>Run toy, stage2</title>" in page
    assert '<span class="token"' in page
    assert "<img" not in page
    wrong = rendered(address, "a\n" * 300)
    assert re.search(r'id="error" role="alert">[^<]*at most 256 items', wrong)
