"""Where a writer builds before it commits: drafts that vanish, shards that stay for a resume."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from searchkit.index import disk
from searchkit.index.generation import FileStamp, Part, Segment
from searchkit.index.stamps import damage


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
        with suppress(OSError):
            (self.index / "shards").rmdir()  # unless it holds some

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

    def keep(self, folder: Path, name: str, files: Mapping[str, FileStamp]) -> None:
        """Give a sealed folder its place in the index; the same content may be there already.

        A folder's name covers its content, so what is there and sound stays: it may be live. What
        is damaged there is put right file by file, so that a reader never finds one missing.
        """
        place = self.index / name
        if not place.exists():
            disk.move(folder, place)
            return
        for file, stamp in files.items():
            if damage(place / file, stamp) is not None:
                disk.move(folder / file, place / file)
        disk.sync_name(place)  # whoever put it there may have been killed before doing so
        disk.remove(folder)

    def segment(self, folder: Path, n_docs: int) -> Segment:
        """Seal and keep the documents of a segment; its hash covers its files."""
        files = self.seal(folder)
        name = disk.sha256_of(*_content(files))
        bare = Segment(name, n_docs, files)
        self.keep(folder, bare.folder, files)
        return bare

    def part(
        self,
        kind: str,
        folder: Path,
        config: Mapping[str, Any],
        *,
        inputs: str,
        stats: Mapping[str, Any],
    ) -> Part:
        """Seal and keep a part; its hash covers its inputs, its configuration and its files."""
        files = self.seal(folder)
        name = disk.sha256_of(kind, inputs, json.dumps(config, sort_keys=True), *_content(files))
        part = Part(kind, name, dict(config), files, dict(stats))
        self.keep(folder, part.folder, files)
        return part


def _content(files: Mapping[str, FileStamp]) -> list[str]:
    return [f"{file} {stamp.sha256}" for file, stamp in sorted(files.items())]
