"""`searchkit tokens`: what a cross-encoder reads of an index, tokenised beforehand, or dropped."""

from __future__ import annotations

from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from searchkit.cli.committing import Keep, Wait, committing
from searchkit.cli.encoder import held_name
from searchkit.cli.interrupt import ended_by_sigterm
from searchkit.cli.options import IndexPath, TrustRemoteCode
from searchkit.cli.screen import say
from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from searchkit.index.collect import CommitOptions

Action = Annotated[
    Literal["add", "drop"], typer.Argument(help="What happens to the tokens.", show_default=False)
]
Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", help="Cross-encoder: alias, folder or hub name.", show_default=False
    ),
]


@ended_by_sigterm()
def tokens(
    action: Action,
    index: IndexPath,
    model: Model,
    *,
    trust_remote_code: TrustRemoteCode = False,
    keep: Keep = None,
    wait: Wait = False,
) -> None:
    """Store what a reranker reads as tokens, or drop that.

    MODEL tokenises less when it reranks INDEX, and scores the same. Documents that come later are
    tokenised when they are reranked, until `add` is called again.

    \b
    Example:
      searchkit tokens add indexes/papers minilm-ce
    """
    commit = committing(keep=keep, wait=wait)
    if action == "add":
        _add(index, model, trust_remote_code=trust_remote_code, commit=commit)
    elif trust_remote_code:
        raise ConfigError("--trust-remote-code has no effect: drop loads no model. Leave it away.")
    else:
        _drop(index, model, commit)


def _add(index: Path, model: str, *, trust_remote_code: bool, commit: CommitOptions) -> None:
    from searchkit.cli.info import bytes_by_part
    from searchkit.cli.progress import Bars
    from searchkit.evaluate.sizes import count, spell_bytes
    from searchkit.index import generation as generations
    from searchkit.index.lock import refuse_other
    from searchkit.index.tokens_change import add_tokens
    from searchkit.models.cross_encoder import CrossEncoderOptions, open_cross_encoder

    begin, live = perf_counter(), generations.read(index)
    if not commit.wait:
        refuse_other(index)  # before a model is loaded for nothing
    options = CrossEncoderOptions(device="cpu", trust_remote_code=trust_remote_code)
    scorer = open_cross_encoder(model, options=options)
    with Bars() as bars:
        fresh = add_tokens(index, scorer, commit=commit, watch=bars)
    if fresh.number == live.number:
        say(f"{index}: the tokens that {scorer.name} reads are there. Nothing was committed.")
        return
    size = spell_bytes(bytes_by_part(fresh)["tokens"])
    say(
        f"{index}: tokens of {count(fresh.n_docs, 'document')} as {scorer.name} reads them, "
        f"{size}, in {perf_counter() - begin:.1f} s."
    )


def _drop(index: Path, model: str, commit: CommitOptions) -> None:
    from searchkit.index import generation as generations
    from searchkit.index.tokens_change import drop_tokens, token_names

    held = held_name(model, token_names(generations.read(index)), "cross-encoder")
    drop_tokens(index, held, commit=commit)
    say(f"{index}: the tokens of {held} are gone. No score changes.")
