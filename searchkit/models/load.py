"""A model folder -> a loaded sentence-transformers model, and what it says of itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from searchkit.errors import ModelError
from searchkit.models.foreign import loading
from searchkit.models.names import ModelSpec
from searchkit.models.quiet import quiet

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

_UNBOUNDED = 1 << 20  # tokens; for models that state no limit


def load_model(
    folder: Path, spec: ModelSpec, *, device: str, trust_remote_code: bool
) -> SentenceTransformer:
    """The model in evaluation mode and float32, without a word on the terminal."""
    _refuse_other_families(folder, spec.name)
    with quiet():
        import torch
        from sentence_transformers import SentenceTransformer
        from sentence_transformers.sentence_transformer.modules import Pooling
    with loading(spec.name):
        model = SentenceTransformer(
            str(folder),
            device=device,
            trust_remote_code=trust_remote_code,
            local_files_only=True,
            model_kwargs={"dtype": torch.float32},
        )
    if model.tokenizer is None:
        raise ModelError(f"{spec.name} has no tokenizer, so it cannot read text. Choose another.")
    if spec.pooling and not (folder / "modules.json").is_file():
        model[1] = Pooling(model.get_embedding_dimension(), spec.pooling)
    return model.eval()


def limit_tokens(model: SentenceTransformer, spec: ModelSpec, wanted: int | None) -> int:
    """Set and return how many tokens of a text the model reads; ModelError where it cannot."""
    config = getattr(model[0], "config", None)
    positions = getattr(config, "max_position_embeddings", None) or _UNBOUNDED
    own = spec.max_tokens or min(model.max_seq_length or positions, positions)
    limit = int(wanted or own)
    if limit < 3:
        raise ModelError(f"{spec.name}: a limit of {limit} tokens leaves no room for a word.")
    model.max_seq_length = limit
    if limit > own:
        _try_length(model, spec.name, limit)
    return limit


def pooling_of(model: SentenceTransformer) -> str:
    """How token vectors become one, as the modules say it; empty where no module does."""
    modes = [getattr(module, "pooling_mode", None) for module in model]
    return " ".join(str(mode) for mode in modes if mode)


def doc_prompt(model: SentenceTransformer) -> str:
    """The first prompt for documents that is not empty.

    sentence-transformers takes the first that exists, and `document` always exists, empty: a model
    that calls its prompt `passage` would be read without it.
    """
    names = ("document", "passage", "corpus")
    return next((prompt for name in names if (prompt := model.prompts.get(name))), "")


def _refuse_other_families(folder: Path, name: str) -> None:
    modules = _json(folder / "config_sentence_transformers.json")
    family = modules.get("model_type", "SentenceTransformer")
    heads = _json(folder / "config.json").get("architectures") or [""]
    plain = not (folder / "modules.json").is_file()
    if family == "CrossEncoder" or (plain and "SequenceClassification" in heads[0]):
        raise ModelError(f"{name} is a cross-encoder, not a bi-encoder. Give it to --reranker.")
    if family != "SentenceTransformer":
        raise ModelError(f"{name} is a {family}, which gives no single vector. Choose another.")


def _json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _try_length(model: SentenceTransformer, name: str, limit: int) -> None:
    try:
        model.encode(["a " * limit], show_progress_bar=False)
    except (IndexError, RuntimeError) as error:
        raise ModelError(
            f"{name} cannot read {limit} tokens of a text. Ask for fewer with --max-tokens."
        ) from error
