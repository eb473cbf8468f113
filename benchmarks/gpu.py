"""How near does searchkit come to what a GPU can do, and how far ahead of the plain calls?

Encoding (MiniLM's and SPECTER2's size), reranking (TinyBERT's and MiniLM-L6's), exact search of
768 dimensions and one whole search, each beside the plain call of sentence-transformers in the
same run, on texts of 256 tokens. Shares are of the rate that a large bf16 product reaches on this
device: the layers' multiplications and additions, of a full frame whose tokens wait on the device.
Ratios are of whole calls, from texts or stored tokens to numbers. Weights and texts are made up;
nothing is fetched, nor read of a collection. It needs torch, transformers, sentence-transformers
and numpy, and searchkit as a folder beside it; FAISS only where it is built for CUDA. A part that
fails says so and the others go on. One call, under 8 minutes:

    python benchmarks/gpu.py

`--device cpu --small` shows in a minute that the script works, and no more.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # so that it runs where nothing is installed

PARTS = (
    *("encode-minilm", "encode-specter2", "rerank-tinybert", "rerank-minilm"),
    *("search-1m", "search-10m", "faiss-1m", "whole-search"),
)
SHARE, RATIO = 0.4, 3.0  # the bars, of the two parts below
BARRED = ("rerank-minilm", "encode-specter2")
COMPILED = BARRED  # a compilation takes half a minute


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    parser.add_argument("--small", action="store_true", help="tiny sizes, nothing recorded")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--seconds", type=float, default=30, help="that a part may time calls")
    parser.add_argument("--total", type=float, default=420, help="no part begins after so many")
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--frames", type=int, nargs="+", default=[16_384, 65_536, 131_072])
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    parser.add_argument("--out", type=Path, help="write the line here as well")
    given = parser.parse_args(arguments)
    if given.small:
        given.max_tokens, given.frames, given.no_compile = 16, [64], True
        given.seconds = min(given.seconds, 0.1)
    return given


def works(bench: Any, top: Any) -> dict[str, Callable[[], dict[str, Any]]]:  # noqa: ANN401
    from gpu_models import BERT_BASE, MINILM, SMALL, TINYBERT
    from gpu_parts import encoding, reranking
    from gpu_scan import faiss_searching, searching, whole_search

    small = bench.small
    sizes = [SMALL] * 4 if small else [MINILM, BERT_BASE, TINYBERT, MINILM]
    million, dim = (2000, 32) if small else (1_000_000, 768)
    return {
        "encode-minilm": partial(encoding, bench, sizes[0], top, pooling="mean"),
        "encode-specter2": partial(encoding, bench, sizes[1], top, pooling="cls"),
        "rerank-tinybert": partial(reranking, bench, sizes[2], top),
        "rerank-minilm": partial(reranking, bench, sizes[3], top),
        "search-1m": partial(searching, bench, top, n=million, dim=dim),
        "search-10m": partial(searching, bench, top, n=10 * million, dim=dim),
        "faiss-1m": partial(faiss_searching, bench, n=million, dim=dim),
        "whole-search": partial(whole_search, bench, n=million, depth=8 if small else 100),
    }


def measure(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    import torch
    from gpu_models import Words
    from gpu_parts import Bench, ceilings, sentence

    start = time.perf_counter()
    bench = Bench(
        device=given.device,
        folder=folder,
        words=Words(400) if given.small else Words(),
        seconds=given.seconds,
        small=given.small,
        max_tokens=given.max_tokens,
        frames=tuple(given.frames),
        compile=False,
    )
    top = ceilings(bench)
    told: dict[str, Any] = {
        "device": torch.cuda.get_device_name() if given.device == "cuda" else "cpu",
        "bf16_tflops": round(top.flops / 1e12, 3),
        "copy_gb_per_s": round(top.bytes / 1e9, 1),
        "max_tokens": given.max_tokens,
        "parts": {},
    }
    for name in given.parts:
        began = time.perf_counter()
        if began - start > given.total:
            told["parts"][name] = {"failed": f"left out: {given.total:g} s were over"}
            continue
        able = name in COMPILED and not given.no_compile
        try:
            part = works(replace(bench, compile=able), top)[name]()
        except Exception as error:  # whatever it is, the other parts go on
            part = {"failed": sentence(error)}
        part["part_s"] = round(time.perf_counter() - began, 1)
        told["parts"][name] = part
        print(name, json.dumps(part), file=sys.stderr, flush=True)
        if given.device == "cuda":
            with contextlib.suppress(RuntimeError):  # after a failed kernel nothing works
                torch.cuda.empty_cache()
    return told | {"bars": bars(told["parts"]), "total_s": round(time.perf_counter() - start, 1)}


def bars(parts: dict[str, dict[str, Any]]) -> dict[str, bool]:
    found = {}
    for name in BARRED:
        part = parts.get(name, {})
        found[f"{name}: share >= {SHARE}"] = part.get("share_of_bf16_rate", 0) >= SHARE
        found[f"{name}: ratio >= {RATIO}"] = part.get("ratio", 0) >= RATIO
    return found


def table(told: dict[str, Any]) -> str:
    """What was measured, a line a part."""
    lines = [
        f"{told['device']}: bf16 {told['bf16_tflops']} TFLOP/s, copy {told['copy_gb_per_s']} GB/s"
    ]
    for name, part in told["parts"].items():
        if "failed" in part or "skipped" in part:
            lines.append(f"{name:16} {part.get('failed') or part['skipped']}")
        elif "share_of_bf16_rate" in part:
            lines.append(
                f"{name:16} {part['rows_per_s']['searchkit']:>10} rows/s"
                f"  {part['ratio']:>6} x plain ({part['ratio_tokens_stored']} x, tokens stored)"
                f"  {part['share_of_bf16_rate']:.1%} of the bf16 rate"
            )
        elif "p50_ms" in part:
            lines.append(f"{name:16} ms of a search: p50 {part['p50_ms']}, p95 {part['p95_ms']}")
        else:
            lines += [
                f"{name:16} {batch}: {json.dumps(part[batch])}" for batch in part if "=" in batch
            ]
    lines += [f"{'kept' if kept else 'MISSED'}: {bar}" for bar, kept in told["bars"].items()]
    return "\n".join(lines)


def main() -> None:
    given = parse()
    import torch

    if given.device == "cuda" and not torch.cuda.is_available():
        sys.exit("torch sees no CUDA device. Try --device cpu --small")
    from report import record

    with TemporaryDirectory(prefix="searchkit-") as folder:
        told = measure(given, Path(folder))
    print(table(told), file=sys.stderr)
    if given.out:
        given.out.write_text(json.dumps(told) + "\n", "utf-8")
    if given.small:
        print(json.dumps(told))
    else:
        record("gpu", told)


if __name__ == "__main__":
    main()
