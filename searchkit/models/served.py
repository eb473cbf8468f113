"""A model that was exported once -> opened again in a fraction of a second, without torch.

    home()/served/<key>/  model.onnx  tokenizer.json  facts.json  probes.npy

The key names the model's files by path, size and time, the settings and the libraries: whatever
changes, another export is made. An export is kept only where it gives torch's outputs to 1e-5 for
the probes, alone, together and in another order, and each opening asks the first of them again. It
may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.home import home
from searchkit.models.device import cpu_threads
from searchkit.models.fingerprint import file_sha256, shaping_files
from searchkit.models.onnx_model import OnnxModel, open_onnx
from searchkit.models.packed import Row
from searchkit.models.reader import Reader
from searchkit.models.telling import tell

# Who runs a model: torch, or (auto) its export where it runs on the processor and has one.
Backend: TypeAlias = Literal["torch", "auto"]

FORMAT = 1
TOLERANCE = 1e-5  # of an output of 1; larger ones in proportion
_LIBRARIES = ("onnxruntime", "torch", "transformers", "sentence-transformers", "tokenizers")
_ASKED_AGAIN = 2  # probes on every opening
_MOST = 8  # exports that are kept, those that were used last


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """What stands in for a loaded model."""

    onnx: OnnxModel
    reader: Reader
    facts: Mapping[str, Any]  # what the model said of itself, JSON


# Reader and facts -> the token rows that an export is checked with.
Probes: TypeAlias = Callable[[Reader, Mapping[str, Any]], Sequence[Row]]


def served_key(folders: Sequence[Path], settings: Mapping[str, object]) -> str:
    """Names an export: the model's files by path, size and time, the settings, the libraries."""
    files = [
        (str(path), *_mark(path)) for folder in folders for path in shaping_files(folder.resolve())
    ]
    named = [FORMAT, files, settings, [_version(library) for library in _LIBRARIES]]
    return hashlib.sha256(json.dumps(named, sort_keys=True).encode()).hexdigest()[:32]


def find_served(key: str, probes: Probes) -> Served | None:
    """The export of this key; None where there is none, or it is not what it was."""
    folder = home() / "served" / key
    try:
        facts = json.loads((folder / "facts.json").read_text("utf-8"))
        core = (folder / "tokenizer.json").read_text("utf-8")
        expected = np.load(folder / "probes.npy", allow_pickle=False)
        reader = Reader.read(core, facts["sep_token"], facts["unk_token"])
        if facts["sha256"] != file_sha256(folder / "model.onnx"):
            return None
        onnx = open_onnx(folder / "model.onnx", n_threads=cpu_threads())
        rows = list(probes(reader, facts))[:_ASKED_AGAIN]
        is_same = agree(onnx.outputs(rows), expected[: len(rows)])
    except Exception:  # whatever a damaged file raises, a new export mends it
        return None
    with suppress(OSError):
        os.utime(folder / "facts.json")  # used now
    return Served(onnx, reader, facts) if is_same else None


def keep_served(
    key: str,
    reader: Reader,
    facts: Mapping[str, object],
    *,
    export: Callable[[Path], None],
    probes: Probes,
    expected: NDArray[np.float32],
) -> Served | None:
    """Export and keep; None where it cannot be done, or the export does not give `expected`.

    expected: (n_probes, n_outputs), what torch gives for the probes. A model that cannot be
    exported is served by torch as before: slower to open, the same scores.
    """
    drafts = home() / "served"
    try:
        drafts.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{key}-", dir=drafts))
    except OSError as error:
        tell(
            f"{home()} cannot be written ({error.strerror}), so that every search loads its models "
            "anew. Set SEARCHKIT_HOME to a folder that you may write."
        )
        return None
    try:
        export(draft / "model.onnx")
        (draft / "tokenizer.json").write_text(reader.text, "utf-8")
        digest = file_sha256(draft / "model.onnx")
        named = {
            **facts,
            "sha256": digest,
            "sep_token": reader.sep_token,
            "unk_token": reader.unk_token,
        }
        (draft / "facts.json").write_text(json.dumps(named), "utf-8")
        np.save(draft / "probes.npy", expected)
        onnx = open_onnx(draft / "model.onnx", n_threads=1)
        if not _is_independent(onnx, list(probes(reader, facts)), expected):
            return None
        shutil.rmtree(drafts / key, ignore_errors=True)
        draft.replace(drafts / key)
        _let_go(drafts)
    except Exception:  # an exporter's errors are of any kind; torch serves then
        return None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return find_served(key, probes)


def tell_first(name: str) -> None:
    """Say that a model is exported now, which is seldom and slow."""
    tell(f"Preparing {name} for searches on this machine, once: some seconds.")


def kept_exports() -> tuple[int, int]:
    """How many exports are kept, and their bytes."""
    folders = [path.parent for path in (home() / "served").glob("*/facts.json")]
    return len(folders), sum(f.stat().st_size for folder in folders for f in folder.iterdir())


def agree(found: NDArray[np.float32], expected: NDArray[np.float32]) -> bool:
    """Whether outputs are equal to the tolerance."""
    gap = np.abs(found - expected)
    return found.shape == expected.shape and bool(
        (gap <= TOLERANCE * np.maximum(1, np.abs(expected))).all()
    )


def _is_independent(onnx: OnnxModel, rows: Sequence[Row], expected: NDArray[np.float32]) -> bool:
    """Alone, each beside itself and in another order the rows give what torch gives for them."""
    alone = np.concatenate([onnx.outputs([row]) for row in rows])
    twice = onnx.outputs([*rows, *rows])
    turned = onnx.outputs(rows[::-1])[::-1]
    n = len(rows)
    return all(agree(found, expected) for found in (alone, twice[:n], twice[n:], turned))


def _let_go(drafts: Path) -> None:
    """Delete the exports that were not used for longest: models change, and each is large."""
    used = sorted(drafts.glob("*/facts.json"), key=lambda path: -path.stat().st_mtime)
    for path in used[_MOST:]:
        shutil.rmtree(path.parent, ignore_errors=True)


def _mark(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _version(library: str) -> str:
    try:
        return version(library)
    except PackageNotFoundError:
        return ""
