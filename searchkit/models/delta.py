"""A reranker trained from a packaged model <-> what training changed, small enough to ship.

A delta is a folder: `config.json` of the whole model, `delta.safetensors` with every weight that
is not the base's, in float16, and `delta.json`, which says what the base gives. `README.md` (the
card), `searchkit.json` (how it is served) and `training/` lie beside them where there are any.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from searchkit.errors import ModelError
from searchkit.models.folder import locate
from searchkit.models.foreign import loading
from searchkit.models.load_cross_encoder import open_trained
from searchkit.models.names import resolve
from searchkit.models.quiet import quiet

Weights: TypeAlias = Mapping[str, NDArray[Any]]  # by name

FORMAT = 1
_FACTS, _WEIGHTS, _TOKENIZER = "delta.json", "delta.safetensors", "tokenizer.json"
_KEPT = ("config.json", "README.md", "searchkit.json")  # of a trained folder, as they are
_TRAINING = ("log.jsonl", "recipe.toml", "loss.png", "result.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Delta:
    """What `delta.json` holds."""

    base: str  # name of the model that gives the other weights and the tokenizer
    base_sha256: str  # of these weights and of the tokenizer
    reused: Mapping[str, str]  # weight of this model -> weight of the base
    max_tokens: int  # of a pair, as trained
    activation: str  # class in torch.nn that plain sentence-transformers puts on a logit
    dtype: str = "float16"
    format: int = FORMAT


def is_delta(folder: Path) -> bool:
    return (folder / _FACTS).is_file()


def write_delta(trained: Path, out: Path, *, base: str = "minilm") -> Delta:
    """Write what a trained CrossEncoder folder does not share with its base.

    Only weights that are the base's bit by bit are left out, wherever they stand in it; the rest
    is rounded to float16. ModelError where nothing is shared, a weight has another shape than in
    the base, the tokenizer is another, or float16 cannot hold a weight; `out` is not written then.
    """
    if out.exists():
        raise ModelError(f"{out} exists already. Name a folder that does not.")
    root = locate(resolve(base, "bi-encoder"))
    loaded = open_trained(trained, str(trained), device="cpu")
    own = {name: value.numpy() for name, value in loaded.transformers_model.state_dict().items()}
    given = _read(root)
    _refuse_shapes(own, given, body=f"{loaded.transformers_model.base_model_prefix}.", base=base)
    if _tokenizer(trained) != _tokenizer(root):
        raise ModelError(f"{trained} has another tokenizer than {base}. Keep it as a whole.")
    reused = _shared(own, given)
    if not reused:
        raise ModelError(f"{trained} shares no weight with {base}. Keep it as a whole.")
    facts = Delta(
        base=base,
        base_sha256=_sha256(root, {name: given[name] for name in reused.values()}),
        reused=reused,
        max_tokens=int(loaded.max_seq_length),
        activation=type(loaded.activation_fn).__name__,
    )
    _write(trained, out, facts, _halved(own, reused))
    return facts


def open_delta(folder: Path, *, device: str = "cpu") -> Any:  # noqa: ANN401 - no types of theirs
    """The sentence_transformers.CrossEncoder in float32, put together in memory.

    ModelError where the base is not the one that the delta was taken from, or a file is damaged.
    """
    facts = read_delta(folder)
    root, given = read_base(facts, folder)
    with quiet():
        import torch
        from safetensors.numpy import load_file
        from sentence_transformers import CrossEncoder
        from sentence_transformers.base.modules import Transformer
        from transformers import AutoConfig
    with loading(str(folder)):
        weights = load_file(folder / _WEIGHTS)
        weights |= {name: given[there] for name, there in facts.reused.items()}
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        transformer = Transformer(
            str(root),  # for its tokenizer; no layer of it is read
            transformer_task="sequence-classification",
            config_kwargs={"num_hidden_layers": 0},
            processor_kwargs={"model_max_length": facts.max_tokens},
        )
        transformer.model = type(transformer.model).from_pretrained(
            None,
            config=config,
            state_dict={  # copies: two weights may be equal, and yet are two
                name: torch.tensor(weight, dtype=torch.float32) for name, weight in weights.items()
            },
        )
        missing = transformer.model.state_dict().keys() - weights.keys()
        if missing:  # which transformers draws at random
            raise ValueError(f"it lacks {', '.join(sorted(missing)[:3])}")
        activation = getattr(torch.nn, facts.activation)()
        return CrossEncoder(modules=[transformer], device=device, activation_fn=activation).eval()


def read_delta(folder: Path) -> Delta:
    """What `delta.json` says; ModelError where this version cannot read it."""
    path = folder / _FACTS
    try:
        facts = json.loads(path.read_text("utf-8"))
        if facts["format"] == FORMAT:
            return Delta(**facts)
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise ModelError(f"{path} cannot be read ({error}). Install searchkit again.") from error
    raise ModelError(f"{path} has format {facts['format']}, which needs a newer searchkit.")


def read_base(facts: Delta, folder: Path) -> tuple[Path, Weights]:
    """The base's folder and the weights that it gives, by its names.

    ModelError where they are not those that the delta was taken from.
    """
    root = locate(resolve(facts.base, "bi-encoder"))
    with loading(facts.base):
        given = _read(root, facts.reused.values())
        found = _sha256(root, given)
    if found != facts.base_sha256:
        raise ModelError(
            f"{folder} was made for another {facts.base} than the one in {root}. "
            "Install the version that it was trained from, or train it again."
        )
    return root, given


def _read(folder: Path, names: Iterable[str] | None = None) -> dict[str, NDArray[Any]]:
    from safetensors import safe_open

    with safe_open(folder / "model.safetensors", framework="numpy") as file:
        wanted = file.keys() if names is None else set(names)
        return {name: file.get_tensor(name) for name in wanted}


def _sha256(folder: Path, weights: Weights) -> str:
    """Hash of weights of a model, with names, types and shapes, and of its tokenizer."""
    digest = hashlib.sha256((folder / _TOKENIZER).read_bytes())
    for name, weight in sorted(weights.items()):
        digest.update(f"{name}\0{weight.dtype}\0{weight.shape}\n".encode())
        digest.update(np.ascontiguousarray(weight).data)
    return digest.hexdigest()


def _tokenizer(folder: Path) -> str:
    """The tokenizer without the padding and cutting that belong to a call; "" where it is none."""
    from tokenizers import Tokenizer

    if not (folder / _TOKENIZER).is_file():
        return ""
    core = Tokenizer.from_file(str(folder / _TOKENIZER))
    core.no_padding()
    core.no_truncation()
    return str(core.to_str())


def _shared(own: Weights, given: Weights) -> dict[str, str]:
    """Weights that stand in both with the same bits: a kept layer may have another number."""
    there = {_bits(weight): name for name, weight in sorted(given.items(), reverse=True)}
    found = {name: there.get(_bits(weight)) for name, weight in own.items()}
    return {name: match for name, match in found.items() if match is not None}


def _bits(weight: NDArray[Any]) -> tuple[str, tuple[int, ...], bytes]:
    content = hashlib.sha256(np.ascontiguousarray(weight).data).digest()
    return str(weight.dtype), weight.shape, content


def _refuse_shapes(own: Weights, given: Weights, *, body: str, base: str) -> None:
    for name, weight in own.items():
        there = given.get(name.removeprefix(body))
        if there is not None and there.shape != weight.shape:
            raise ModelError(
                f"{name} has shape {weight.shape} and {there.shape} in {base}: this model was not "
                "trained from it. Keep it as a whole."
            )


def _halved(own: Weights, reused: Mapping[str, str]) -> dict[str, NDArray[np.float16]]:
    with np.errstate(over="ignore"):
        halved = {
            name: weight.astype(np.float16) for name, weight in own.items() if name not in reused
        }
    for name, weight in halved.items():
        if not np.isfinite(weight).all():
            raise ModelError(f"{name} has values that float16 cannot hold. Train it again.")
    return halved


def _write(trained: Path, out: Path, facts: Delta, weights: dict[str, NDArray[np.float16]]) -> None:
    from safetensors.numpy import save_file

    out.mkdir(parents=True)
    try:
        for file in (*_KEPT, *(f"training/{name}" for name in _TRAINING)):
            if (trained / file).is_file():
                (out / file).parent.mkdir(exist_ok=True)
                shutil.copyfile(trained / file, out / file)
        save_file(weights, out / _WEIGHTS)
        (out / _FACTS).write_text(json.dumps(asdict(facts), indent=1) + "\n", "utf-8")
    except BaseException:
        shutil.rmtree(out, ignore_errors=True)
        raise
