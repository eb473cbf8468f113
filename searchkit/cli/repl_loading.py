"""Models and the kernel -> loaded behind the prompt, while the first query is being written."""

from __future__ import annotations

from threading import Thread

from searchkit.cli.sentences import sentence
from searchkit.errors import SearchkitError
from searchkit.search.searcher import Searcher


class Loading:
    """Loads what the pipeline of a searcher needs, in a thread of its own; `word` says how far."""

    def __init__(self, searcher: Searcher) -> None:
        self.word = ""
        self._searcher = searcher
        self._thread = Thread(target=self._load, daemon=True, name="loading models")

    def start(self) -> None:
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    @property
    def is_done(self) -> bool:
        return not self._thread.is_alive()

    def _load(self) -> None:
        stages = self._searcher.stages
        try:
            self.word = "loading the models ..."
            stages.load(stages.default)
            self.word = "loading the bm25 kernel ..."
            from searchkit.retrieve import bm25_segments_kernel  # noqa: F401 - importing compiles it
        except (SearchkitError, OSError, ImportError) as error:
            self.word = sentence(error)
            return
        self.word = ""
