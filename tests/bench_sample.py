"""A bench of the bundled sample by tiny models, and a browser to open its report."""

import shutil
import subprocess

from searchkit import sample
from searchkit.corpus.qrels import read_qrels
from searchkit.corpus.queries import read_queries

QUERIES = read_queries(sample.queries_path())
QRELS = read_qrels(sample.qrels_path())
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("chrome")
_QUIET = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --hide-scrollbars "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--disable-dev-shm-usage --enable-logging=stderr"
).split()


def browse(page, profile, *options):
    """What the browser writes to stdout, and the lines that the page wrote to its console."""
    command = [BROWSER, *_QUIET, f"--user-data-dir={profile}", *options, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    return done.stdout, said
