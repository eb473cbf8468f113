"""`searchkit sync`: a corpus -> an index that holds just that."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from searchkit.cli import changing as own
from searchkit.cli import index_options as reading
from searchkit.cli import options as flags
from searchkit.cli.committing import Keep, Wait, committing

if TYPE_CHECKING:
    from searchkit.index.change import Changed


def sync(  # noqa: PLR0913 - the flags of a command are its parameters
    index: flags.IndexPath,
    corpus: own.Corpus,
    *,
    column: own.Columns = None,
    format: reading.Format = None,  # noqa: A002 - the name of the flag
    hub_split: reading.HubSplit = "train",
    on_error: reading.OnError = "stop",
    rejects: reading.Rejects = None,
    fix_text: reading.FixText = False,
    device: flags.Device = "auto",
    trust_remote_code: flags.TrustRemoteCode = False,
    dry_run: own.DryRun = False,
    force: own.Force = False,
    keep: Keep = None,
    wait: Wait = False,
) -> None:
    """Make INDEX hold what CORPUS holds, in one commit.

    What will be done is said first; --dry-run says it and ends.

    \b
    Example:
      searchkit sync indexes/papers papers.jsonl --dry-run
    """
    from searchkit.search import changes

    read = own.reading(columns=column, on_error=on_error, rejects=rejects)
    read = replace(read, format=format, hub_split=hub_split, fix_text=fix_text)
    options = changes.ChangeOptions(read=read, device=device, trust_remote_code=trust_remote_code)
    options = replace(
        options, dry_run=dry_run, commit=committing(keep=keep, wait=wait), force=force
    )

    def change(options: changes.ChangeOptions) -> Changed:
        return changes.sync(index, corpus, options=options)

    own.change_aloud(index, change, options, corpus=corpus)
