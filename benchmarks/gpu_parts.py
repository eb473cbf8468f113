"""What a GPU can do at most, and how fast encoding, reranking and search come near it."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gpu_models import Size, Words
from numpy.typing import NDArray
from tokenizers import Tokenizer

from searchkit.models.packed import Row, shape_of
from searchkit.models.packed_bert import step
from searchkit.models.packed_model import PackedModel
from searchkit.models.pair_tokens import PairFrame, first_tokens, whole_tokens
from searchkit.models.quiet import quiet

Work = Callable[[], Any]
Table = NDArray[np.float32]
Attempt = tuple[dict[str, Any], Any]  # what is told of it; its PackedModel, or None
CHUNK = 2_048  # texts whose tokens are made while the device reads the chunk before


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What every part works with."""

    device: str
    folder: Path
    words: Words
    seconds: float  # of a part
    small: bool
    max_tokens: int
    frames: tuple[int, ...]  # tokens of the frames to try
    compile: bool

    def wait(self) -> None:
        if self.device != "cpu":
            torch.cuda.synchronize()


@dataclass(frozen=True, slots=True)
class Ceilings:
    """What this device reached, of bf16 operations and of bytes moved, a second."""

    flops: float
    bytes: float


def ceilings(bench: Bench) -> Ceilings:
    """The best rates of a large matrix product of random numbers and of a large copy."""
    size = 256 if bench.small else 8192
    left, right = (torch.randn(size, size, device=bench.device).bfloat16() for _ in range(2))
    held = torch.randn(1 << (16 if bench.small else 30), device=bench.device)
    copy = torch.empty_like(held)
    product = once(bench, lambda: left @ right, rounds=10, calls=8)
    copied = once(bench, lambda: copy.copy_(held), rounds=10, calls=4)
    return Ceilings(2 * size**3 / product, 2 * held.nbytes / copied)


def once(bench: Bench, work: Work, *, rounds: int = 5, calls: int = 1) -> float:
    """Seconds of a call in the best of the rounds, after one that warms."""
    taken = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        for _ in range(calls):
            work()
        bench.wait()
        taken.append((time.perf_counter() - start) / calls)
    return min(taken[1:])


def turns(bench: Bench, work: Mapping[str, Work], *, seconds: float) -> dict[str, float]:
    """Median seconds of each, in turns until the time is over; the first turn warms."""
    taken: dict[str, list[float]] = {name: [] for name in work}
    until, turn = 0.0, 0
    while turn < 2 or (time.perf_counter() < until and turn < 9):
        until = until or time.perf_counter() + seconds
        for name in [*work][:: 1 if turn % 2 else -1]:
            start = time.perf_counter()
            work[name]()
            bench.wait()
            taken[name].append(time.perf_counter() - start)
        turn += 1
    return {name: statistics.median(each[1:]) for name, each in taken.items()}


def variants(
    bench: Bench, pack: Callable[..., PackedModel], size: Size, top: Ceilings
) -> tuple[PackedModel, list[dict[str, Any]]]:
    """The fastest of the precisions, frames and steps, and what each reached of the bf16 rate."""

    def attempt(precision: str, tokens: int, *, is_compiled: bool) -> Attempt:
        row: dict[str, Any] = {"precision": precision, "frame": tokens, "compiled": is_compiled}
        try:
            model = _made(bench, pack, precision, tokens, is_compiled=is_compiled)
            return row | _filled(bench, model, size, top), model
        except Exception as error:  # whatever it is, the others go on
            return row | {"failed": sentence(error)}, None

    tried = [
        attempt(precision, tokens, is_compiled=False)
        for precision in ("bfloat16", "float16")
        for tokens in bench.frames
    ]
    if bench.compile:
        first = _fastest(tried)[0]
        tried.append(attempt(first["precision"], first["frame"], is_compiled=True))
    return _fastest(tried)[1], [row for row, _ in tried]


def _fastest(tried: Sequence[Attempt]) -> Attempt:
    good = [each for each in tried if each[1] is not None]
    if not good:
        raise RuntimeError(f"no packed pass ran: {tried[0][0]['failed']}")
    return max(good, key=lambda each: each[0]["share_of_bf16_rate"])


def _made(
    bench: Bench,
    pack: Callable[..., PackedModel],
    precision: str,
    tokens: int,
    *,
    is_compiled: bool,
) -> PackedModel:
    one = torch.compile(step, dynamic=False) if is_compiled else step
    return pack(precision=precision, shape=shape_of(tokens, bench.max_tokens), step=one)


def _filled(bench: Bench, model: PackedModel, size: Size, top: Ceilings) -> dict[str, Any]:
    """A frame of rows as long as they may be, read again and again: tokens wait on the device."""
    longest, tokens = model.shape.longest, model.shape.tokens
    ids = np.random.default_rng(0).integers(5, 50, (tokens // longest, longest))
    one = model.frame([(row, None) for row in ids])
    with torch.inference_mode():
        model.run(one)
        again = getattr(model.run, "again", partial(model.run, one))  # without copying the tokens
        taken = once(bench, again, calls=2 if bench.small else 10)
    flops = len(ids) * size.flops(longest)
    return {
        "rows_per_s": round(len(ids) / taken, 1),
        "tflops": round(flops / taken / 1e12, 3),
        "share_of_bf16_rate": round(flops / taken / top.flops, 4),
    }


def encoding(bench: Bench, size: Size, top: Ceilings, *, pooling: str) -> dict[str, Any]:
    """Texts to vectors on the processor's side, beside SentenceTransformer.encode."""
    from gpu_models import save_encoder
    from sentence_transformers import SentenceTransformer

    from searchkit.models.packed_model import pack_encoder

    limit = bench.max_tokens
    folder = save_encoder(
        bench.folder / f"encoder-{size.layers}",
        size,
        bench.words,
        max_tokens=limit,
        pooling=pooling,
    )
    with quiet():
        peer = SentenceTransformer(str(folder), device=bench.device).eval()
    n = 16 if bench.small else 4096 if size.width < 768 else 2048
    texts = bench.words.texts(n, (limit, limit))
    core = peer.tokenizer.backend_tokenizer
    packed, tried = variants(bench, partial(pack_encoder, peer), size, top)

    def encode(some: Sequence[str], batch: int) -> Any:  # noqa: ANN401
        return peer.encode(list(some), batch_size=batch, show_progress_bar=False)

    batch = best_batch(bench, lambda batch: encode(texts[: n // 4], batch))
    exact, rows = encode(texts[:8], 8), _rows(core, texts, limit)
    work = {
        "plain": lambda: encode(texts, batch),
        "searchkit": lambda: _streamed(packed, texts, partial(_rows, core, limit=limit)),
        "searchkit, tokens stored": lambda: packed.outputs(rows),
    }
    found = packed.outputs(rows[:8])
    quality = {"least_cosine": round(float(_cosines(exact, found).min()), 6)}
    taken = turns(bench, work, seconds=bench.seconds / 2)
    taken |= _in_half(bench, peer, lambda: encode(texts, batch))
    return _told(n, taken, tried, batch) | quality | independence(packed, rows[:8])


def reranking(bench: Bench, size: Size, top: Ceilings) -> dict[str, Any]:
    """Pairs to scores, beside CrossEncoder.predict; as stored tokens too, as an index has them."""
    from gpu_models import save_cross_encoder
    from sentence_transformers import CrossEncoder

    from searchkit.models.packed_model import pack_cross_encoder

    limit = bench.max_tokens
    folder = save_cross_encoder(
        bench.folder / f"cross-{size.layers}", size, bench.words, max_tokens=limit
    )
    with quiet():
        peer = CrossEncoder(str(folder), device=bench.device, max_length=limit).eval()
    n = 16 if bench.small else 8192
    query = bench.words.texts(1, (min(10, limit // 5),) * 2)[0]
    passages = bench.words.texts(n, (limit, limit))
    core, frame = peer.tokenizer.backend_tokenizer, PairFrame.of(peer.tokenizer, "made up")
    packed, tried = variants(bench, partial(pack_cross_encoder, peer.transformers_model), size, top)
    pair = partial(pairs_of, core, frame, query, limit=limit)
    stored = whole_tokens(core, passages)

    def predict(some: Sequence[str], batch: int) -> Any:  # noqa: ANN401
        return peer.predict(
            [(query, passage) for passage in some],
            batch_size=batch,
            activation_fn=torch.nn.Identity(),
            show_progress_bar=False,
        )

    batch = best_batch(bench, lambda batch: predict(passages[: n // 4], batch))
    exact, found = predict(passages[:64], 64), packed.outputs(pair(passages[:64]))[:, 0]
    asked = whole_tokens(core, [query])[0]
    work = {
        "plain": lambda: predict(passages, batch),
        "searchkit": lambda: _streamed(packed, passages, pair),
        "searchkit, tokens stored": lambda: _streamed(
            packed, stored, lambda some: [frame.join(asked, tokens, limit) for tokens in some]
        ),
    }
    spread = float(np.ptp(exact)) or 1.0
    quality = {"largest_gap_of_spread": round(float(np.abs(exact - found).max()) / spread, 5)}
    taken = turns(bench, work, seconds=bench.seconds / 2)
    taken |= _in_half(bench, peer.transformers_model, lambda: predict(passages, batch))
    return _told(n, taken, tried, batch) | quality | independence(packed, pair(passages[:8]))


def best_batch(bench: Bench, work: Callable[[int], object]) -> int:
    """The batch size at which the plain call is fastest."""
    sizes = (4,) if bench.small else (32, 128, 512)
    work(sizes[0])  # warms
    return min(sizes, key=lambda size: once(bench, partial(work, size), rounds=1))


def pairs_of(
    core: Tokenizer, frame: PairFrame, query: str, passages: Sequence[str], *, limit: int
) -> list[Row]:
    [asked] = whole_tokens(core, [query])
    read = first_tokens(core, passages, frame.room_beside(len(asked), limit))
    return [frame.join(asked, tokens, limit) for tokens in read]


def independence(model: PackedModel, rows: Sequence[Row]) -> dict[str, float]:
    """How far a row's outputs move with its batch-mates."""
    together = model.outputs(rows)
    alone = np.concatenate([model.outputs([row]) for row in rows])
    return {"gap_alone_or_together": float(np.abs(alone - together).max())}


def sentence(error: BaseException) -> str:
    said = str(error).strip().partition("\n")[0] or "no message"
    return f"{type(error).__name__}: {said}"[:200]


def _rows(core: Tokenizer, texts: Sequence[str], limit: int) -> list[Row]:
    core.no_padding()
    core.enable_truncation(limit)
    return [(found.ids, None) for found in core.encode_batch_fast(list(texts))]


def _streamed(
    model: PackedModel, items: Sequence[Any], rows: Callable[[Sequence[Any]], Iterable[Row]]
) -> Table:
    """Outputs of all; a thread makes the next chunk's rows while the device reads this one's."""
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(rows, chunk) for chunk in chunks]
        running = [model.launch(list(each.result())) for each in waiting]
    return np.concatenate([outputs() for outputs in running])


def _in_half(bench: Bench, model: torch.nn.Module, work: Work) -> dict[str, float]:
    """The plain call with the model's weights in bf16, the last thing done with them."""
    model.bfloat16()
    try:
        return {"plain, bf16 weights": once(bench, work, rounds=1)}
    except (RuntimeError, TypeError) as error:  # where the library cannot
        print(f"the plain call with bf16 weights: {sentence(error)}", file=sys.stderr)
        return {}


def _cosines(some: Table, others: Table) -> Table:
    return (some * others).sum(1) / np.linalg.norm(some, axis=1) / np.linalg.norm(others, axis=1)


def _told(
    n: int, taken: Mapping[str, float], tried: list[dict[str, Any]], batch: int
) -> dict[str, Any]:
    per_s = {name: round(n / each, 1) for name, each in taken.items()}
    shares = [row["share_of_bf16_rate"] for row in tried if "failed" not in row]
    return {
        "n": n,
        "plain_batch": batch,
        "rows_per_s": per_s,
        "ratio": round(per_s["searchkit"] / per_s["plain"], 2),
        "ratio_tokens_stored": round(per_s["searchkit, tokens stored"] / per_s["plain"], 2),
        "share_of_bf16_rate": max(shares),
        "variants": tried,
    }
