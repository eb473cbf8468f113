"""A model's spec -> its folder on this machine, fetched and checked."""

from __future__ import annotations

import os
from pathlib import Path

from searchkit.errors import ModelError
from searchkit.models.names import ModelSpec, packaged_folder
from searchkit.models.quiet import quiet_hub

# Weights in formats that are not read here: a download does not fetch them twice over.
_OTHER_FORMATS = [
    *("pytorch_model*.bin", "*.h5", "*.msgpack", "*.ot", "*.onnx", "*.onnx_data", "*.tflite"),
    *("*.pt", "*.pth", "*.gguf", "onnx/*", "openvino/*", "coreml/*"),
]


def locate(spec: ModelSpec, *, revision: str | None = None) -> Path:
    """The folder that holds the model's files.

    A hub model is taken from the cache, and fetched where it is not there and HF_HUB_OFFLINE
    does not forbid it. ModelError where it cannot be had, is no model, or keeps weights only
    in pickles, which can run code when they are read.
    """
    if revision and not (spec.hub and not spec.package):
        raise ModelError(f"{spec.name} lies on this machine and has no revisions. Drop --revision.")
    if spec.hub and not spec.package:
        folder = _cached(spec.hub, revision) or _fetch(spec.hub, revision)
    else:
        folder = spec.folder or packaged_folder(spec.package or "")
    _check(folder, spec.name)
    return folder


def _cached(hub: str, revision: str | None) -> Path | None:
    """The snapshot of an earlier download, if it holds weights: no network is asked."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(hub, revision=revision, local_files_only=True))
    except (LocalEntryNotFoundError, HfHubHTTPError, HFValidationError):
        return None
    return folder if any(folder.rglob("*.safetensors")) else None


def _fetch(hub: str, revision: str | None) -> Path:
    from huggingface_hub import is_offline_mode, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    if is_offline_mode() or os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0"):
        raise ModelError(
            f"{hub} is not on this machine and HF_HUB_OFFLINE forbids fetching it. "
            "Unset HF_HUB_OFFLINE to download it once, or give the path of a model folder."
        )
    try:
        with quiet_hub():
            return Path(snapshot_download(hub, revision=revision, ignore_patterns=_OTHER_FORMATS))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        why = str(error).strip().partition("\n")[0]
        raise ModelError(
            f"{hub} could not be fetched from the hub ({why}). "
            "Check the name and the connection, or give the path of a model folder."
        ) from error


def _check(folder: Path, name: str) -> None:
    if not any((folder / file).is_file() for file in ("config.json", "modules.json")):
        raise ModelError(
            f"{folder} is no model: it has no config.json and no modules.json. "
            "Give the folder that save_pretrained wrote."
        )
    pickles = [path for path in folder.rglob("*.bin") if path.name.startswith("pytorch_model")]
    only_pickled = [path.parent for path in pickles if not any(path.parent.glob("*.safetensors"))]
    if only_pickled or not any(folder.rglob("*.safetensors")):
        raise ModelError(
            f"{name} has no safetensors weights in {(only_pickled or [folder])[0]}, and pickles "
            "are not read, since they can run code. Load it once with transformers, "
            "save_pretrained(FOLDER) model and tokenizer, and give FOLDER."
        )
