"""`searchkit index`: corpus files -> an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import typer

from searchkit.cli import ann_options as ann_flags
from searchkit.cli import index_options as own
from searchkit.cli import options as flags
from searchkit.cli.committing import Keep, Wait, committing
from searchkit.cli.idle import Given, given, refuse_without_encoder
from searchkit.cli.interrupt import ended_by_sigterm, how_to_go_on
from searchkit.cli.reuse import say_reuse
from searchkit.cli.screen import say
from searchkit.errors import ConfigError, FormatError

if TYPE_CHECKING:
    from searchkit.corpus.read import ReadLedger
    from searchkit.index.generation import Generation
    from searchkit.search.api import IndexOptions

_ENGLISH = ("english", "porter", "plain")  # analyzers of corpora that the default encoder reads
_DEFAULT_ENCODER = "minilm"


def index(  # noqa: PLR0913 - the flags of a command are its parameters
    ctx: typer.Context,
    corpus: own.Corpus,
    *,
    out: own.Out,
    encoder: own.Encoders = None,
    lexical_only: own.LexicalOnly = False,
    analyzer: own.AnalyzerName = "english",
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
    column: own.Columns = None,
    format: own.Format = None,  # noqa: A002 - the name of the flag
    hub_split: own.HubSplit = "train",
    on_error: own.OnError = "stop",
    rejects: own.Rejects = None,
    fix_text: own.FixText = False,
    replace_index: own.Replace = False,
    keep: Keep = None,
    wait: Wait = False,
) -> None:
    """Build an index of CORPUS at DIR.

    Interrupted, the same command goes on: vectors are kept for every 1,024 documents encoded.

    \b
    Example:
      searchkit index papers.jsonl --out indexes/papers --column id=doi
    """
    from searchkit.corpus.read import ReadOptions
    from searchkit.index.vectors import VectorConfig
    from searchkit.search.api import IndexOptions

    names = chosen_encoders(encoder or [], lexical_only=lexical_only, analyzer=analyzer)
    _refuse_idle(given(ctx), names, lexical_only=lexical_only, on_error=on_error)
    read = ReadOptions(format=format, hub_split=hub_split, columns=columns_of(column or []))
    read = replace(read, on_error=on_error, rejects=rejects, fix_text=fix_text)
    options = IndexOptions(analyzer=analyzer, encoder=own.encoding_of(ctx.params), read=read)
    options = replace(options, ann=ann_flags.ann_of(ann, ctx))
    options = replace(options, vectors=VectorConfig(passages=passages, dtype=dtype))
    options = replace(options, replace=replace_index, commit=committing(keep=keep, wait=wait))
    build_aloud(corpus, out=out, encoders=names, options=options)


def columns_of(pairs: Sequence[str]) -> dict[str, str]:
    """Field -> column, of `id=doi`; a column may hold any character."""
    columns = {}
    for pair in pairs:
        field, sign, column = pair.partition("=")
        if not (field and sign and column):
            raise ConfigError(f"--column {pair!r} is not written like id=doi.")
        columns[field.strip()] = column
    return columns


def chosen_encoders(names: Sequence[str], *, lexical_only: bool, analyzer: str) -> list[str]:
    """The encoders asked for, or the default one where it can read the corpus."""
    if lexical_only and names:
        raise ConfigError("--lexical-only and --encoder exclude each other. Drop one of them.")
    if names or lexical_only:
        return list(names)
    if analyzer in _ENGLISH:
        return [_DEFAULT_ENCODER]
    say(
        f"No encoder: {_DEFAULT_ENCODER} reads English and the analyzer is {analyzer}. Name one "
        "with --encoder to search by meaning as well."
    )
    return []


def _refuse_idle(
    written: Given, encoders: Sequence[str], *, lexical_only: bool, on_error: str
) -> None:
    if not encoders:
        refuse_without_encoder(written, lexical_only=lexical_only)
    if "rejects" in written and on_error != "skip":
        raise ConfigError("--rejects has no effect: bad rows stop the build. Add --on-error skip.")


@ended_by_sigterm()
def build_aloud(
    corpus: Sequence[str], *, out: Path, encoders: Sequence[str], options: IndexOptions
) -> Generation:
    """Build an index and say on stderr what it will take, how far it is, and what came of it."""
    from searchkit.analyze.analyzer import TextAnalyzer
    from searchkit.cli.forecast import forecast
    from searchkit.cli.progress import Bars
    from searchkit.corpus.read import ReadLedger
    from searchkit.index.build import refuse_strangers
    from searchkit.search.api import build

    begin, ledger = perf_counter(), ReadLedger()
    TextAnalyzer.named(options.analyzer)  # what can be refused at once is refused before the work
    refuse_strangers(out, replace_index=options.replace)
    n_docs = forecast(corpus, out=out, encoders=encoders, options=options)
    live = _live(out)
    try:
        with Bars() as bars:
            built = build(
                corpus,
                out=out,
                encoders=encoders,
                options=options,
                ledger=ledger,
                n_docs=n_docs,
                watch=bars,
            )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_interrupted(out, corpus, live=live)) from None
    _report(built, out, ledger=ledger, time_s=perf_counter() - begin)
    if live is not None and live.pipeline is not None:
        say(
            "The old index had a pipeline that was chosen for it by measurement, the new one runs "
            "the factory's. Run tune or promote again."
        )
    return built


def _interrupted(out: Path, corpus: Sequence[str], *, live: Generation | None) -> str:
    """What an interrupt left, and how to go on. live: the generation before."""
    found = _live(out)
    if found is not None and (live is None or found.number != live.number):
        return f"interrupted, but {out} was built: it can be searched."
    again = how_to_go_on(
        out, corpus, otherwise="The same command starts anew.", place=f"Vectors are kept in {out}"
    )
    return f"interrupted. Nothing was committed. {again}"


def _live(out: Path) -> Generation | None:
    """The generation of the index that stands there, None where none does."""
    from searchkit.index import generation as generations

    try:
        return generations.read(out) if generations.exists(out) else None
    except FormatError:
        return None  # damaged or of another format: --replace is its cure


def _mixed(built: Generation) -> Counter[str]:
    """Columns of mixed type, with the number of values that became text."""
    found: Counter[str] = Counter()
    for segment in built.segments:
        for part in segment.parts:
            found.update(part.stats.get("mixed_metadata", {}))
    return found


def _report(built: Generation, out: Path, *, ledger: ReadLedger, time_s: float) -> None:
    """What was skipped, repaired and cut off, the size on disk, and the next command."""
    from searchkit.cli.info import bytes_by_part, spell_reading, truncated
    from searchkit.evaluate.sizes import count, spell_bytes

    say_reuse(built, None)
    lines = spell_reading(ledger.counts())
    for column, n in _mixed(built).items():
        values = count(n, "other value")
        lines.append(f"column {column} mixes text with {values}: all of it is kept as text.")
    for encoder, cut in truncated(built).items():
        if cut["documents"]:
            n_docs, n_tokens = count(cut["documents"], "document"), count(cut["tokens"], "token")
            lines.append(f"{encoder} reads {n_docs} in part: {n_tokens} lie beyond its limit.")
    size = spell_bytes(bytes_by_part(built)["total"])
    lines.append(f"{out}: {count(built.n_docs, 'document')}, {size}, built in {time_s:.1f} s.")
    lines.append(f'Next: searchkit search {out} "YOUR QUERY", or searchkit repl {out}')
    say(*lines)
