"""Where a writer builds before it commits: drafts that vanish, shards that stay for a resume."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from searchkit.index import disk
from searchkit.index.generation import FileStamp, Part


class Drafts:
    """Folders under `drafts/` of an index, gone when the writer is; `shards/` outlives a kill."""

    def __init__(self, index: Path) -> None:
        self.index = index
        self._n = 0

    def __enter__(self) -> Drafts:
        disk.remove(self._root)  # left by a writer that was killed
        self._root.mkdir(parents=True)
        return self

    def __exit__(self, *_: object) -> None:
        disk.remove(self._root)

    @property
    def _root(self) -> Path:
        return self.index / "drafts"

    @property
    def shards(self) -> Path:
        folder = self.index / "shards"
        folder.mkdir(exist_ok=True)
        return folder

    def clear_shards(self) -> None:
        disk.remove(self.index / "shards")

    def folder(self, name: str) -> Path:
        self._n += 1
        folder = self._root / f"{name}-{self._n}"
        folder.mkdir()
        return folder

    def seal(self, folder: Path) -> dict[str, FileStamp]:
        """Force the files to the disk; what each must be from now on."""
        disk.sync_tree(folder)
        files = sorted(path for path in folder.iterdir() if path.is_file())
        return {path.name: FileStamp(disk.sha256(path), path.stat().st_size) for path in files}

    def keep(self, folder: Path, name: str) -> None:
        """Give a sealed folder its place in the index; the same content may be there already."""
        place = self.index / name
        if place.exists():
            disk.remove(place)  # of no live generation, or equal to what replaces it
        disk.move(folder, place)

    def part(
        self,
        kind: str,
        folder: Path,
        config: Mapping[str, Any],
        *,
        inputs: str,
        stats: Mapping[str, Any],
    ) -> Part:
        """Seal and keep a part; its hash covers its inputs and its configuration."""
        name = disk.sha256_of(kind, inputs, json.dumps(config, sort_keys=True))
        part = Part(kind, name, dict(config), self.seal(folder), dict(stats))
        self.keep(folder, part.folder)
        return part
