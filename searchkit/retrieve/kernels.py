"""Functions that numba compiles, kept on the disk until any of their sources changes.

numba keeps a compiled function by the content of the file it stands in. What it calls is compiled
into it, but a change of another file goes unnoticed (numba's issue 8851), so that an update could
leave old code running, and scores wrong without a word. Here the sources that call each other name
the folder together.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from searchkit.home import home
from searchkit.models.fingerprint import file_sha256
from searchkit.models.telling import tell

Function = Callable[..., Any]


class Kernels:
    """A decorator as `numba.njit`, cached and without the GIL, for the functions of some files."""

    def __init__(self, sources: Path, pattern: str) -> None:
        """sources: their folder; pattern: of the names of those that call each other."""
        self._sources, self._pattern = sources, pattern

    def __call__(self, *signature: object, **options: object) -> Callable[[Function], Function]:
        """The function, compiled, or loaded if it was kept.

        signature: of the one compilation; without it numba takes those it is called with.
        """
        import numba

        config, njit = vars(numba.config), vars(numba)["njit"]  # whose types name no options

        def compiled(function: Function) -> Function:
            # numba reads its setting where a function is wrapped, and has no other way to be told
            before = config["CACHE_DIR"]
            config["CACHE_DIR"] = str(self.folder)
            try:
                made: Function = njit(*signature, cache=self._writes, nogil=True, **options)(
                    function
                )
            finally:
                config["CACHE_DIR"] = before
            return made

        return compiled

    @cached_property
    def folder(self) -> Path:
        """Where all is kept that was compiled here of the sources as they are now.

        Under NUMBA_CACHE_DIR if that is set, else beside the sources or, where those may not be
        written, under SEARCHKIT_HOME.
        """
        content = [file_sha256(source) for source in sorted(self._sources.glob(self._pattern))]
        return self._root / f"{self._name}{sha256(repr(content).encode()).hexdigest()[:16]}"

    def keeps(self, function: str) -> bool:
        """Whether a function is compiled already, so that it loads at once."""
        return any(self.folder.rglob(f"*.{function}-*.nbi"))

    @property
    def _root(self) -> Path:
        if named := os.environ.get("NUMBA_CACHE_DIR"):
            return Path(named)
        beside = self._sources / "__pycache__"
        written = os.access(beside if beside.is_dir() else self._sources, os.W_OK)
        return beside if written else home() / "kernels"

    @cached_property
    def _name(self) -> str:
        """Of folders that differ by the content of the sources alone."""
        import numba
        from llvmlite.binding import get_host_cpu_name

        of = (numba.__version__, sys.implementation.cache_tag, get_host_cpu_name(), self._sources)
        return f"kernels-{sha256(repr(of).encode()).hexdigest()[:8]}-"

    @cached_property
    def _writes(self) -> bool:
        """Make the folder, without those of former sources; False, and a word, if that fails."""
        is_new = not self.folder.is_dir()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        except OSError as error:
            tell(
                f"{self._root} cannot be written ({error.strerror}), so that BM25 is compiled at "
                "every start. Set SEARCHKIT_HOME to a folder that you may write."
            )
            return False
        if is_new:
            for former in self._root.glob(f"{self._name}*"):
                if former != self.folder:
                    shutil.rmtree(former, ignore_errors=True)
        return True


kernel = Kernels(Path(__file__).parent, "bm25_*kernel.py")
