"""`searchkit upgrade`: an index in the newest format."""

from __future__ import annotations

from functools import partial

from searchkit.cli.committing import Keep, Wait, committing
from searchkit.cli.interrupt import ended_by_sigterm
from searchkit.cli.options import Device, IndexPath, TrustRemoteCode
from searchkit.cli.screen import say


@ended_by_sigterm()
def upgrade(
    index: IndexPath,
    *,
    device: Device = "auto",
    trust_remote_code: TrustRemoteCode = False,
    keep: Keep = None,
    wait: Wait = False,
) -> None:
    """Bring INDEX to the newest format.

    It ranks as before, and nothing is encoded. An index of every format that this searchkit reads
    is searched and changed as it is; upgraded, it also knows what its vectors were made of.

    \b
    Example:
      searchkit upgrade indexes/papers
    """
    from searchkit.cli.progress import Bars
    from searchkit.index.recorded import open_recorded
    from searchkit.index.upgrade import upgrade as work

    opener = partial(open_recorded, device=device, trust_remote_code=trust_remote_code)
    with Bars() as bars:
        done = work(index, opener=opener, commit=committing(keep=keep, wait=wait), watch=bars)
    for note in done.notes:
        say(note)
    if done.changed:
        say(f"{index}: format {done.generation.format}, which was {done.before}.")
    else:
        say(f"{index}: is of format {done.before}, the newest, already. Nothing was committed.")
