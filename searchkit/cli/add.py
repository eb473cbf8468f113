"""`searchkit add`: new documents -> an index that has them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from searchkit.cli import changing as own
from searchkit.cli import index_options as reading
from searchkit.cli import options as flags
from searchkit.cli.committing import Keep, Wait, committing

if TYPE_CHECKING:
    from searchkit.index.change import Changed

_Existing = Annotated[
    Literal["refuse", "skip", "replace"],
    typer.Option(help="What becomes of a document whose id the index holds."),
]


def add(  # noqa: PLR0913 - the flags of a command are its parameters
    index: flags.IndexPath,
    corpus: own.Corpus,
    *,
    existing: _Existing = "refuse",
    column: own.Columns = None,
    format: reading.Format = None,  # noqa: A002 - the name of the flag
    hub_split: reading.HubSplit = "train",
    on_error: reading.OnError = "stop",
    rejects: reading.Rejects = None,
    fix_text: reading.FixText = False,
    device: flags.Device = "auto",
    trust_remote_code: flags.TrustRemoteCode = False,
    dry_run: own.DryRun = False,
    keep: Keep = None,
    wait: Wait = False,
) -> None:
    """Add the documents of CORPUS to INDEX, in one commit.

    Interrupted, the index is as it was, and the same command goes on: vectors are kept for every
    1,024 documents encoded.

    \b
    Example:
      searchkit add indexes/papers new.jsonl
    """
    from searchkit.search import changes

    read = own.reading(columns=column, on_error=on_error, rejects=rejects)
    read = replace(read, format=format, hub_split=hub_split, fix_text=fix_text)
    options = changes.ChangeOptions(read=read, device=device, trust_remote_code=trust_remote_code)
    options = replace(options, dry_run=dry_run, commit=committing(keep=keep, wait=wait))

    def change(options: changes.ChangeOptions) -> Changed:
        return changes.add(index, corpus, existing=existing, options=options)

    own.change_aloud(index, change, options, corpus=corpus)
