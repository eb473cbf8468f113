"""`searchkit encoder`: an index and one encoder more, or one less."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from searchkit.cli import ann_options as ann_flags
from searchkit.cli import index_options as own
from searchkit.cli import options as flags
from searchkit.cli.committing import Keep, Wait, committing
from searchkit.cli.idle import Given, given
from searchkit.cli.interrupt import ended_by_sigterm
from searchkit.cli.reuse import say_reuse
from searchkit.cli.screen import say
from searchkit.errors import ConfigError, SearchkitError

if TYPE_CHECKING:
    from searchkit.index.ann_choice import AnnConfig
    from searchkit.index.collect import CommitOptions
    from searchkit.index.dense_parts import DenseChoice
    from searchkit.index.vectors import VectorConfig
    from searchkit.models.encoder import EncoderOptions
    from searchkit.models.names import Family

Action = Annotated[
    Literal["add", "drop"], typer.Argument(help="What happens to the vectors.", show_default=False)
]
Name = Annotated[
    str,
    typer.Argument(metavar="NAME", help="Encoder: alias, folder or hub name.", show_default=False),
]


def encoder(  # noqa: PLR0913 - the flags of a command are its parameters
    ctx: typer.Context,
    action: Action,
    index: flags.IndexPath,
    name: Name,
    *,
    ann: own.Ann = "auto",
    ann_recall: ann_flags.Recall = None,
    ann_memory: ann_flags.Memory = None,
    passages: own.PassageKind = "document",
    dtype: own.Dtype = "float16",
    device: flags.Device = "auto",
    query_prompt: own.QueryPrompt = None,
    doc_prompt: own.DocPrompt = None,
    max_tokens: own.MaxTokens = None,
    precision: own.Precision = "float32",
    trust_remote_code: flags.TrustRemoteCode = False,
    keep: Keep = None,
    wait: Wait = False,
) -> None:
    """Add the vectors of an encoder to INDEX, or drop them.

    Nothing else is built again. Interrupted, `add` goes on with the same command: vectors are kept
    for every 1,024 documents encoded.

    \b
    Example:
      searchkit encoder add indexes/papers specter2
    """
    from searchkit.index.vectors import VectorConfig

    commit = committing(keep=keep, wait=wait)
    if action == "drop":
        _refuse_idle(given(ctx))
        _drop(index, name, commit)
        return
    searched, encoding = ann_flags.ann_of(ann, ctx), own.encoding_of(ctx.params)
    config = VectorConfig(passages=passages, dtype=dtype)
    choice = choice_of(index, name, encoding, config, wait=wait)
    add_aloud(index, choice, ann=searched, commit=commit)


def choice_of(
    index: Path, name: str, encoding: EncoderOptions, config: VectorConfig, *, wait: bool
) -> DenseChoice:
    """The encoder, loaded, after all has been refused that needs no model for it."""
    from searchkit.index import generation as generations
    from searchkit.index.dense_parts import DenseChoice
    from searchkit.index.extend import refuse_known
    from searchkit.index.lock import refuse_other
    from searchkit.models.encoder import open_encoder

    live = generations.read(index)
    names = [record["name"] for record in live.encoders]
    refuse_known(index, live, held_name(name, names, "bi-encoder"))
    if not wait:
        refuse_other(index)
    return DenseChoice(open_encoder(name, options=encoding), config, encoding.to_dict())


@ended_by_sigterm()
def add_aloud(
    index: Path,
    choice: DenseChoice,
    *,
    ann: AnnConfig | None = None,
    commit: CommitOptions | None = None,
) -> None:
    """Add the vectors with a word on stderr about what it takes, and about what came of it."""
    from searchkit.cli.info import bytes_by_part
    from searchkit.cli.progress import Bars
    from searchkit.evaluate.sizes import count, spell_bytes
    from searchkit.index import generation as generations
    from searchkit.index.ann_choice import DEFAULT
    from searchkit.index.collect import PLAIN
    from searchkit.index.extend import add_encoder

    begin, live = perf_counter(), generations.read(index)
    _forecast(index, choice)
    try:
        with Bars() as bars:
            commit, ann = commit or PLAIN, ann or DEFAULT
            fresh = add_encoder(index, choice, ann=ann, commit=commit, watch=bars)
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_interrupted(index, live=live.number)) from None
    say_reuse(fresh, live)
    size = spell_bytes(bytes_by_part(fresh)["total"])
    say(
        f"{index}: {count(fresh.n_docs, 'document')} with vectors of {choice.encoder.name}, "
        f"{size} in all, added in {perf_counter() - begin:.1f} s."
    )
    if fresh.pipeline is None:
        _say_what_runs(index)


def _say_what_runs(index: Path) -> None:
    from searchkit.index.index import Index
    from searchkit.search.choose import choose

    with Index.open(index) as opened:
        found = choose(opened)
    stages = " and ".join(["BM25", *found.encoders])
    say(f"No pipeline is promoted here, so a search runs the factory's: {stages}.")


def _forecast(index: Path, choice: DenseChoice) -> None:
    """Say how long encoding will take, where it is long enough to be worth the probe."""
    from searchkit.cli.forecast import LONG, PROBE_DOCS, rate_of
    from searchkit.evaluate.sizes import count, spell_bytes, spell_seconds
    from searchkit.index.index import Index

    with Index.open(index) as opened:
        if len(opened) < LONG:
            return
        docs, n_docs = list(islice(opened, PROBE_DOCS)), len(opened)
    rate = rate_of(choice.encoder, docs, choice.vectors)
    say(
        f"{count(n_docs, 'document')}, {choice.encoder.name} encodes {rate.docs_s:,.0f} "
        f"documents/s here: about {spell_seconds(n_docs / rate.docs_s)}, "
        f"{spell_bytes(n_docs * rate.bytes_doc)} on disk."
    )


def _interrupted(index: Path, *, live: int) -> str:
    from searchkit.encode import GRID
    from searchkit.index import generation as generations

    if generations.read(index).number != live:
        return f"interrupted, but {index} has the vectors."
    kept = ""
    if any((index / "shards").glob("*.npy")):
        kept = f" Vectors are kept for every {GRID:,} documents encoded, and it goes on from there."
    return f"interrupted. {index} is as it was.{kept} Run the same command again."


def _drop(index: Path, name: str, commit: CommitOptions) -> None:
    from searchkit.index import generation as generations
    from searchkit.index.extend import drop_encoder, uses

    live = generations.read(index)
    held = held_name(name, [record["name"] for record in live.encoders], "bi-encoder")
    fresh = drop_encoder(index, held, commit=commit)
    say(f"{index}: the vectors of {held} are gone.")
    if uses(live.pipeline, held):
        say(
            "The promoted pipeline searched with them, so it is gone as well: the index runs the "
            "factory pipeline again. Promote another with `searchkit promote`."
        )
    elif not fresh.encoders:
        say("No vectors are left: BM25 ranks alone.")


def held_name(name: str, held: list[str], family: Family) -> str:
    """The name as the index has it: a folder is held by its whole path, and may be gone."""
    if name in held:
        return name
    from searchkit.models.names import resolve

    try:
        found = resolve(name, family).name
    except SearchkitError:
        found = str(Path(name).expanduser().resolve())
    return found if found in held else name


def _refuse_idle(written: Given) -> None:
    for flag in (flag for name, flag in written.items() if name not in ("keep", "wait")):
        raise ConfigError(f"{flag} has no effect: drop only removes vectors. Leave it away.")
