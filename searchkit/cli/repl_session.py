"""What a REPL remembers, and what each of its lines does."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

from searchkit.cli.cite import write_citations
from searchkit.cli.highlight import mark
from searchkit.cli.hits import identity, marked, show_answer, times, what_ran
from searchkit.cli.info import spell_pipeline
from searchkit.cli.paper import paper
from searchkit.cli.repl_commands import Ask, Choices, help_lines, parse
from searchkit.cli.screen import FAINT, STRONG, Screen
from searchkit.cli.tuning import set_one, setting_names
from searchkit.cli.why_not import show_why_not
from searchkit.errors import ConfigError, QueryError
from searchkit.search.answer import Answer
from searchkit.search.pipeline import Pipeline
from searchkit.search.searcher import Searcher
from searchkit.types import Doc, Hit

_TIMED_RUNS = 5


class Session:
    """One sitting at an index. `handle` does what a line says and tells whether to go on."""

    def __init__(
        self,
        searcher: Searcher,
        *,
        retune: Callable[[Searcher, Pipeline], Searcher],
        out: Screen,
        err: Screen,
    ) -> None:
        self.searcher, self._retune, self.out, self.err = searcher, retune, out, err
        self.k, self.stage, self.where, self.explain = 10, "", "", False
        self.merge = False
        self.budget_ms: float | None = None
        self.query, self.hits, self._said = "", list[Hit](), ""
        self._ask: Callable[[], Answer] | None = None  # the last search, to be timed
        self._commands: dict[str, Callable[[str], None]] = {
            "k": self._set_k,
            "stage": self._set_stage,
            "where": self._set_where,
            "budget": self._set_budget,
            "explain": self._set_explain,
            "merge": self._set_merge,
            "why-not": self._why_not,
            "like": self._like,
            "open": self._open,
            "cite": self._cite,
            "set": self._set,
            "reload": self._reload,
            "time": self._time,
            "help": self._help,
        }

    def handle(self, line: str) -> bool:
        """Do what the line says; False where it says to leave. SearchkitError in a sentence."""
        asked = parse(line)
        if asked is None:
            return True
        if isinstance(asked, Ask):
            self._search(asked.text)
            return True
        if asked.name == "quit":
            return False
        self._commands[asked.name](asked.argument)
        return True

    @property
    def choices(self) -> Choices:
        """What can be completed."""
        searcher = self.searcher
        return Choices(
            stages=("bm25", "dense", "fused", "reranked", *searcher.encoders),
            columns=searcher.index.table.column_names,
            settings=setting_names(searcher.encoders),
            ids=[hit.doc.id for hit in self.hits],
        )

    @property
    def status(self) -> str:
        """The settings that are in force, for the line below the prompt."""
        stage = self.stage or self.searcher.stages.default
        where = f" · where {self.where}" if self.where else ""
        return f"{len(self.searcher.index):,} documents · {stage} · k {self.k}{where}"

    def _search(self, query: str) -> None:
        self._answer(lambda searcher: partial(searcher.answer, query), query)

    def _like(self, name: str) -> None:
        doc = self._named(name)
        self._answer(lambda searcher: partial(searcher.like, doc), "")

    def _answer(self, asked: Callable[[Searcher], Callable[..., Answer]], query: str) -> None:
        stage, where, how = self.stage or None, self.where or None, self._how

        def ask() -> Answer:
            return asked(self.searcher)(self.k, stage=stage, where=where, **how)

        answer = ask()
        self._ask, self.query, self.hits = ask, query, answer.hits
        analyzer = self.searcher.index.analyzer
        show_answer(self.out, answer, query=query, analyzer=analyzer, explain=self.explain)
        ran = what_ran(answer, self.searcher.stages)
        if ran != self._said:  # once is enough, until it changes
            self._said = ran
            self.err.write((ran, FAINT))
        self.err.write((times(answer), FAINT))

    def _named(self, name: str) -> Doc:
        """The document of hit N, or of this id, or of this file."""
        if not name:
            raise QueryError(":like needs the number of a hit, an id or a file.")
        hit = self._hit(name)
        if hit is not None:
            return hit.doc
        try:
            return paper(self.searcher.index, name)
        except QueryError:
            if not name.isdecimal():
                raise
            raise QueryError(
                f":like {name}: there is no such hit; {self._on_screen}. Nor is it an id or a file."
            ) from None

    @property
    def _on_screen(self) -> str:
        """Half a sentence: the hits that a number can mean."""
        if self._ask is None:
            return "nothing was searched yet"
        if len(self.hits) < 2:
            return (
                "the last search shows hit 1 alone"
                if self.hits
                else "the last search found nothing"
            )
        return f"the last search shows hits 1 to {len(self.hits)}"

    def _hit(self, name: str) -> Hit | None:
        return next((hit for hit in self.hits if str(hit.rank) == name), None)

    def _open(self, name: str) -> None:
        hit = self._hit(name)
        if hit is None:
            raise QueryError(f":open needs the number of a hit; {self._on_screen}.")
        title, text = mark([hit.doc.title, hit.doc.text], self.query, self.searcher.index.analyzer)
        self.out.write(*marked(title, STRONG))
        self.out.write((identity(hit.doc), FAINT))
        for field, value in hit.doc.meta.items():
            spelled = ", ".join(value) if isinstance(value, list) else str(value)
            self.out.write((f"{field}: ", FAINT), spelled)
        self.out.write()
        self.out.write(*marked(text))

    def _cite(self, words: str) -> None:
        if not self.hits:
            raise QueryError(f":cite writes the hits of the last search, and {self._on_screen}.")
        form, _, name = words.partition(" ")
        path = Path(name.strip()) if name else None
        write_citations((hit.doc for hit in self.hits), form or "bibtex", path)
        if path is not None:
            self.err.write(f"{path}: {len(self.hits)} references.")

    def _why_not(self, doc_id: str) -> None:
        if self._ask is None:
            raise QueryError(":why-not ID asks about the last query. Search first.")
        if not self.query:
            raise QueryError(":why-not asks about a query, and the last search was by a paper.")
        if not doc_id:
            raise QueryError(":why-not needs the id of a paper.")
        found = self.searcher.why_not(self.query, doc_id, self.k, where=self.where or None)
        show_why_not(self.out, found)

    def _set_k(self, text: str) -> None:
        if not (text.isascii() and text.isdigit() and int(text)):
            raise ConfigError(f":k needs a whole number from 1, not {text!r}.")
        self.k = int(text)

    def _set_stage(self, stage: str) -> None:
        self.stage = self.searcher.stages.check(stage) if stage else ""
        if self.budget_ms is not None and not self._reranks:
            self.err.write(f"the budget waits: {self.stage} does not rerank.")

    def _set_where(self, where: str) -> None:
        mask = self.searcher.mask(where)
        self.where = where
        n_docs = len(self.searcher.index) if mask is None else int(mask.sum())
        self.err.write(f"{n_docs:,} of {len(self.searcher.index):,} documents pass.")

    def _set_budget(self, text: str) -> None:
        if text and not (text.isascii() and text.isdigit()):
            raise ConfigError(f":budget needs a whole number of milliseconds, not {text!r}.")
        if text and not self._reranks:
            raise ConfigError(":budget has no effect: it is for reranking, and nothing reranks.")
        self.budget_ms = float(text) if text else None
        self.err.write(f"budget {text} ms." if text else "no budget.")

    @property
    def _reranks(self) -> bool:
        return (self.stage or self.searcher.stages.default) == "reranked"

    def _set_explain(self, _: str) -> None:
        self.explain = not self.explain
        self.err.write(f"explain is {'on' if self.explain else 'off'}.")

    def _set_merge(self, _: str) -> None:
        self.merge = not self.merge
        word = "one hit" if self.merge else "a hit each"
        self.err.write(f"versions of a work are {word}.")

    @property
    def _how(self) -> dict[str, bool | float | None]:
        how = {"explain": self.explain, "merge_versions": self.merge}
        return {**how, "budget_ms": self.budget_ms if self._reranks else None}

    def _set(self, pair: str) -> None:
        if pair:
            pipeline = set_one(self.searcher.pipeline, pair, self.searcher.encoders)
            self.searcher = self._retune(self.searcher, pipeline)
        self.err.write(spell_pipeline(self.searcher.pipeline))

    def _reload(self, _: str) -> None:
        if not self.searcher.reload():
            self.err.write("Nothing was committed since: this is the live generation.")
            return
        self._ask, self.query, self.hits = None, "", []
        generation = self.searcher.index.generation
        self.err.write(f"Generation {generation.number}: {generation.n_docs:,} documents.")

    def _time(self, _: str) -> None:
        if self._ask is None:
            raise QueryError(":time runs the last query again. Search first.")
        runs = [self._ask().times_ms for _ in range(_TIMED_RUNS)]
        rows = [["stage", "median ms", "least", "most"]]
        for stage in runs[0]:
            times = [run[stage] for run in runs]
            rows.append([stage, *(f"{t:.1f}" for t in (median(times), min(times), max(times)))])
        self.out.table(rows, numbers=1)

    def _help(self, _: str) -> None:
        self.out.table(help_lines())
