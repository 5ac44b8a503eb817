"""The tests of the site and of the notebooks run once; a notebook brings its own backend."""

import functools
import http.server
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_NO_BROWSER = (
    "no Chromium was found: `apt install chromium` or `python -m playwright install chromium` "
    "gets one, and the environment variable CHROMIUM names one that lies elsewhere"
)


@pytest.fixture(autouse=True)
def _seeded():
    """In place of Keras's seed: nothing here imports Keras in the tests' own process."""


@pytest.fixture(scope="session")
def browser():
    """A headless Chromium of playwright; where there is none, the test is skipped."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        executable = _chromium(playwright.chromium.executable_path)
        if executable is None:
            pytest.skip(_NO_BROWSER)
        # Chromium's sandbox does not work for root.
        arguments = ["--no-sandbox"] if getattr(os, "geteuid", lambda: 1)() == 0 else []
        browser = playwright.chromium.launch(executable_path=executable, args=arguments)
        yield browser
        browser.close()


def _chromium(own: str) -> str | None:
    """The browser to start: the one that CHROMIUM names, playwright's own, or one on the PATH."""
    named = os.environ.get("CHROMIUM")
    if named:
        return named
    if Path(own).exists():
        return own
    names = ("chromium", "chromium-browser", "google-chrome")
    return next((found for found in map(shutil.which, names) if found), None)


@pytest.fixture(scope="session")
def serve():
    """A function that serves a folder on this machine, and returns the address, without a slash."""
    servers = []

    def start(folder: Path) -> str:
        handler = functools.partial(_Quiet, directory=os.fspath(folder))
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def build():
    """A function that builds the site into a folder, in an environment; it returns the folder."""
    return _built


def _built(folder, **environment):
    environment = {k: v for k, v in os.environ.items() if k != "GITHUB_REPOSITORY"} | environment
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    run = subprocess.run(
        command,
        cwd=ROOT,
        env=environment | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory):
    return _built(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def address(site, serve):
    return serve(site) + "/"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    # A system's own table may call a module something that a browser does not run.
    extensions_map = {  # noqa: RUF012
        **http.server.SimpleHTTPRequestHandler.extensions_map,
        ".js": "text/javascript",
    }

    def log_message(self, *args: object) -> None:
        """Nothing: a test's output is the test's."""
