"""A model by its name -> a folder that plain sentence-transformers loads."""

from __future__ import annotations

import shutil
from pathlib import Path

from searchkit.models.delta import is_delta, open_delta
from searchkit.models.folder import locate
from searchkit.models.names import find
from searchkit.models.quiet import quiet

_BESIDE = ("README.md", "searchkit.json", "training")  # what save_pretrained does not know


def write_plain(name: str, out: Path) -> None:
    """Write a whole model: a delta is joined with its base, in float32; any other is copied.

    ModelError where it cannot be had. `out` must not exist, and may be half-written after an error.
    """
    folder = locate(find(name))
    if not is_delta(folder):
        shutil.copytree(folder, out, ignore=shutil.ignore_patterns(".*", "__pycache__"))
        return
    model = open_delta(folder)
    with quiet():
        model.save_pretrained(str(out), create_model_card=False)
    for beside in _BESIDE:
        source = folder / beside
        if source.is_dir():
            shutil.copytree(source, out / beside)
        elif source.is_file():
            shutil.copyfile(source, out / beside)
