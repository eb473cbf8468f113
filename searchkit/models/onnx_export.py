"""A loaded model -> its ONNX graph, from token ids without a mask to scores or vectors.

There is no padding at run time, so the graph has no mask that an export could lose. It is traced:
torch's other exporter needs three more packages. ONNX Runtime fuses what it wants to on loading.
"""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from searchkit.models.quiet import quiet

OPSET = 17


def export_cross_encoder(model: Any, out: Path, *, has_types: bool) -> None:  # noqa: ANN401
    """Of a transformers sequence classifier: (n, n_labels) logits."""
    inner = _plain(model)

    def run(inputs: dict[str, Any]) -> Any:  # noqa: ANN401
        return inner(**inputs).logits

    _export(inner, run, out, has_types=has_types)


def export_encoder(model: Any, out: Path, *, has_types: bool) -> None:  # noqa: ANN401
    """Of a SentenceTransformer: (n, dim), what its last module gives."""
    import torch

    inner, modules = _plain(model[0].model), list(model)[1:]

    def run(inputs: dict[str, Any]) -> Any:  # noqa: ANN401
        ids = inputs["input_ids"]
        features = {
            "token_embeddings": inner(**inputs).last_hidden_state,
            "attention_mask": torch.ones_like(ids),
            **inputs,
        }
        for module in modules:
            features = module(features)
        return features["sentence_embedding"]

    _export(inner, run, out, has_types=has_types)


def _plain(model: Any) -> Any:  # noqa: ANN401
    """A copy whose attention is made of operations that a graph can hold."""
    inner = copy.deepcopy(model).eval()
    inner.set_attn_implementation("eager")
    return inner


def _export(inner: Any, run: Any, out: Path, *, has_types: bool) -> None:  # noqa: ANN401
    import torch

    class Graph(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = inner

        def forward(self, ids: Any, types: Any = None) -> Any:  # noqa: ANN401
            inputs = {"input_ids": ids}
            return run(inputs if types is None else {**inputs, "token_type_ids": types})

    names = ["input_ids", *(["token_type_ids"] if has_types else [])]
    ids = torch.arange(2, 20).remainder(_n_tokens(inner)).reshape(2, 9)
    example = (ids, *([torch.zeros_like(ids)] if has_types else []))
    axes = {0: "rows", 1: "tokens"}
    with quiet(), torch.inference_mode():
        torch.onnx.export(
            Graph().eval(),
            example,
            str(out),
            input_names=names,
            output_names=["outputs"],
            dynamic_axes={**dict.fromkeys(names, axes), "outputs": {0: "rows"}},
            opset_version=OPSET,
            dynamo=False,
        )


def _n_tokens(inner: Any) -> int:  # noqa: ANN401
    return int(inner.get_input_embeddings().num_embeddings)
