"""A hub that cannot be reached or has nothing for us: one sentence, none of the hub's library."""

import os
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
from cli_sample import build_sample


class OnlyPickles(BaseHTTPRequestHandler):
    """A hub whose every model has one file, which is never fetched; its library warns of that."""

    def do_GET(self):
        listed = b'[{"type": "file", "path": "pytorch_model.bin", "size": 1, "oid": "0"}]'
        answer = listed if "/tree/" in self.path else b'{"id": "some/model", "sha": "%040d"}' % 0
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        """Nothing: the test reads what the command says."""


@pytest.fixture
def hubless(tmp_path):
    """Runs the command line with its hub at a port of this machine; the lines on stderr."""

    def _run(port, *arguments):
        hub = {"HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HOME": str(tmp_path / "hub")}
        done = subprocess.run(
            [sys.executable, "-m", "searchkit", *map(str, arguments)],
            env=os.environ | hub | {"HF_HUB_OFFLINE": "0"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 1
        return done.stderr.splitlines()

    return _run


@pytest.fixture
def closed():
    with socket.socket() as taken:  # bound and not listening: whoever connects is refused
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


def test_a_model_that_cannot_be_fetched_is_one_sentence(hubless, closed, tmp_path):
    index = build_sample(tmp_path / "x")
    [said] = hubless(closed, "search", index, "disc", "--reranker", "tinybert")
    assert "TinyBERT-L2-v2 could not be fetched from the hub" in said


def test_what_the_library_of_the_hub_warns_of_is_not_printed(hubless, tmp_path):
    index = build_sample(tmp_path / "x")
    with HTTPServer(("127.0.0.1", 0), OnlyPickles) as hub:
        Thread(target=hub.serve_forever, daemon=True).start()
        lines = hubless(hub.server_port, "search", index, "disc", "--reranker", "some/model")
        hub.shutdown()
    assert "is no model: it has no config.json" in lines[-1]
    assert [line for line in lines[:-1] if "Fetching" not in line and line.strip()] == []


def test_a_data_set_that_cannot_be_reached_is_one_sentence(hubless, closed, tmp_path):
    said = hubless(closed, "index", "hf:some/set", "--lexical-only", "--out", tmp_path / "x")
    assert said[1:] == [
        "searchkit: hf:some/set: the hub cannot be reached. Go online, or download the files and "
        "name them instead"
    ]
