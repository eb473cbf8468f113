"""Functions that numba compiles, kept on the disk until any of their sources changes.

numba keeps a compiled function by the content of the file it stands in. What it calls is compiled
into it, but a change of another file goes unnoticed (numba's issue 8851), so that an update could
leave old code running, and scores wrong without a word. Here the sources that call each other name
the folder together.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from searchkit.home import home

Function = Callable[..., Any]


class Kernels:
    """A decorator as `numba.njit`, cached and without the GIL, for functions of these sources."""

    def __init__(self, sources: Sequence[Path]) -> None:
        self._sources = sources

    def __call__(self, *signature: object, **options: object) -> Callable[[Function], Function]:
        """signature: of the one compilation; without it numba takes those it is called with."""
        import numba

        config, njit = vars(numba.config), vars(numba)["njit"]  # whose types name no options

        def compiled(function: Function) -> Function:
            before = config["CACHE_DIR"]
            config["CACHE_DIR"] = str(self.folder)  # read while a function is wrapped
            try:
                made: Function = njit(*signature, cache=True, nogil=True, **options)(function)
            finally:
                config["CACHE_DIR"] = before
            return made

        return compiled

    @cached_property
    def folder(self) -> Path:
        """Where all is kept that was compiled of the sources as they are now.

        Under NUMBA_CACHE_DIR if that is set, else beside the sources or, where those may not be
        written, under SEARCHKIT_HOME; there what was compiled of former sources is removed.
        """
        from importlib.metadata import version

        content = sha256(version("numba").encode())
        for source in self._sources:
            content.update(sha256(source.read_bytes()).digest())
        name = f"kernels-{content.hexdigest()[:16]}"
        if named := os.environ.get("NUMBA_CACHE_DIR"):
            return Path(named) / name
        beside = self._sources[0].parent / "__pycache__"
        writable = os.access(beside if beside.is_dir() else beside.parent, os.W_OK)
        root = beside if writable else home() / "kernels"
        if not (root / name).is_dir():
            for former in root.glob("kernels-*"):
                if former.name != name:  # which another process may have begun
                    shutil.rmtree(former, ignore_errors=True)
        return root / name

    def keeps(self, function: str) -> bool:
        """Whether a function is compiled already, so that it loads at once."""
        return any(self.folder.rglob(f"*.{function}-*.nbi"))


kernel = Kernels(sorted(Path(__file__).parent.glob("bm25_*kernel.py")))
