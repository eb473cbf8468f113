"""`searchkit repair`: what is damaged in an index, made again from what is sound."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from searchkit.cli.committing import Keep, Wait, committing
from searchkit.cli.interrupt import ended_by_sigterm
from searchkit.cli.options import Device, IndexPath, Json, TrustRemoteCode
from searchkit.cli.screen import say
from searchkit.errors import ConfigError, SearchkitError

if TYPE_CHECKING:
    from searchkit.index.repair import Repair

DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
ForgetLost = Annotated[
    bool,
    typer.Option(
        "--forget-lost",
        help="Commit the index without what cannot be made again; `searchkit sync` with the corpus "
        "brings its documents back.",
    ),
]


@ended_by_sigterm()
def repair(
    index: IndexPath,
    *,
    dry_run: DryRun = False,
    forget_lost: ForgetLost = False,
    device: Device = "auto",
    trust_remote_code: TrustRemoteCode = False,
    keep: Keep = None,
    wait: Wait = False,
    as_json: Json = False,
) -> None:
    """Make damaged parts of INDEX again from what is sound.

    Postings come from the stored texts, vectors from the texts by their encoder, ANN from the
    vectors. Documents have no other source: what is lost is named, and the exit status is 1.

    \b
    Example:
      searchkit repair indexes/papers --dry-run
      searchkit repair indexes/papers
    """
    from searchkit.cli.progress import Bars
    from searchkit.evaluate.sizes import count
    from searchkit.index.recorded import open_recorded
    from searchkit.index.repair import repair as work

    if dry_run and (forget_lost or keep is not None or wait):
        raise ConfigError("--dry-run commits nothing, so it stands alone. Drop the others.")
    opener = partial(open_recorded, device=device, trust_remote_code=trust_remote_code)
    commit = committing(keep=keep, wait=wait)
    with Bars("steps") as bars:
        done = work(
            index,
            dry_run=dry_run,
            forget_lost=forget_lost,
            opener=opener,
            commit=commit,
            watch=bars,
        )
    _show(done, as_json=as_json)
    if done.lost and not forget_lost:
        raise SearchkitError(
            f"{index}: {count(len(done.lost), 'file')} cannot be made again. Copy what is lost "
            "from a sound copy of the index, build it again with --replace, or go on without it"
            f"{_back(done, 'will be')}: searchkit repair {index} --forget-lost"
        )
    say(f"{index}: {_said(done, index, dry_run=dry_run)}")


def _said(done: Repair, index: Path, *, dry_run: bool) -> str:
    if done.lost:
        without = f"committed without what is lost{_back(done, 'are')}"
        return f"{without}. Bring it back: searchkit sync {index} CORPUS"
    if done.was_sound:
        return "nothing is damaged."
    return "all of it can be mended." if dry_run else "mended."


def _back(done: Repair, verb: str) -> str:
    from searchkit.evaluate.sizes import count

    return f", and {count(done.n_back, 'deleted document')} {verb} found again" * (done.n_back > 0)


def _show(done: Repair, *, as_json: bool) -> None:
    from searchkit.cli.lines import as_json as spell

    if done.how and as_json:
        serves = done.generation.number
        typer.echo(spell({"file": "CURRENT", "how": done.how, "generation": serves}))
    elif done.how:
        say(f"{done.how[0].upper()}{done.how[1:]}.")
    for mended in done.mended:
        typer.echo(spell(asdict(mended)) if as_json else mended.sentence)
    for fault in done.lost:
        lost: dict[str, Any] = {**asdict(fault), "lost": True}
        typer.echo(spell(lost) if as_json else fault.sentence)
