"""`searchkit upgrade`: an index in the newest format."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from searchkit.cli.committing import Keep, Wait, committing
from searchkit.cli.interrupt import ended_by_sigterm
from searchkit.cli.options import Device, IndexPath, TrustRemoteCode
from searchkit.cli.screen import say

if TYPE_CHECKING:
    from searchkit.index.upgrade import Upgrade


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
    say(f"{index}: {_spell(done)}")


def _spell(done: Upgrade) -> str:
    from searchkit.evaluate.sizes import count

    was, now = done.before, done.generation.format
    if not done.changed:
        return f"is of format {was}, the newest, already. Nothing was committed."
    found = f"format {now}, which was {was}" if was != now else f"of format {now} already"
    if done.n_described:
        parts = count(done.n_described, "part")
        return f"{found}; what texts vectors were made of is known for {parts} more."
    return (
        f"{found}." if was != now else f"{found}; the kind of ANN of its encoders is written down."
    )
