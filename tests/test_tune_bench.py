import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from bench_sample import BROWSER, QRELS, QUERIES, browse
from cli_sample import build_sample
from tiny_models import save_cross_encoder, save_encoder

import searchkit
from searchkit import sample
from searchkit.errors import ConfigError, CorpusError, ModelError
from searchkit.evaluate.measures import evaluate, parse_measures
from searchkit.models.cross_encoder import CrossEncoderOptions
from searchkit.rerank import RerankOptions, rerank
from searchkit.search.api import OpenOptions, open_searcher
from searchkit.search.pipeline import factory
from searchkit.tune.bench.bench import BenchOptions, bench, bench_known_items
from searchkit.tune.bench.captions import captions
from searchkit.tune.bench.known_items import known_items
from searchkit.tune.bench.quality import MEASURES, depths_of, measure_quality
from searchkit.tune.bench.report import inline, page
from searchkit.tune.bench.result import MovedQuery, Seen
from searchkit.tune.bench.stages import disk_bytes, line_up
from searchkit.tune.bench.words import caveats, verdict

VOID = {"meta", "link", "br", "wbr", "path", "use", "rect", "line", "image"}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    reader = save_cross_encoder(folder / "reader")
    (reader / "searchkit.json").write_text('{"depth": 12}')  # a hundred take their time
    return save_encoder(folder / "tiny"), reader


@pytest.fixture(scope="module")
def lexical(tmp_path_factory):
    return build_sample(tmp_path_factory.mktemp("lexical") / "sample")


@pytest.fixture(scope="module")
def dense(tmp_path_factory, models):
    out = tmp_path_factory.mktemp("dense") / "sample"
    searchkit.build(sample.corpus_path(), out=out, encoders=[str(models[0])])
    return out


@pytest.fixture(scope="module")
def measured(lexical, models):
    """A lexical index with one reranker: two stages, one fresh process of each."""
    said = []
    options = BenchOptions(rerankers=(str(models[1]),), max_queries=12, sample=5, depth=20)
    found = bench(lexical, QUERIES, QRELS, options=options, tell=said.append)
    return found, said


@pytest.fixture(scope="module")
def report(measured, tmp_path_factory):
    out = tmp_path_factory.mktemp("report") / "out"
    measured[0].write(out)
    return out


@pytest.fixture
def copied(report, tmp_path):
    return shutil.copytree(report, tmp_path / "out")


def opened(index, models):
    """The dense index, fused: its tiny encoder would not be trusted with it otherwise."""
    pipeline = replace(factory([str(models[0])]), rerank=RerankOptions(depth=12))
    return open_searcher(index, options=OpenOptions(reranker=None, pipeline=pipeline))


def every_byte(folder):
    return {p: p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_every_stage_is_measured_as_a_run_of_it_would_be(dense, models):
    wanted = parse_measures(MEASURES)
    reader = str(models[1])
    with opened(dense, models) as searcher:
        lineup = line_up(searcher, [reader], CrossEncoderOptions())
        names = [one.name for one in lineup.stages]
        assert names == ["bm25", "tiny", "fused", "reranked (reader)"]
        some = QUERIES[::6]
        judged = {query.id: QRELS[query.id] for query in some}
        found = measure_quality(lineup, searcher.index, some, QRELS, depth=20)
        for one in lineup.stages:
            ranked = one.searcher(searcher).rank([q.text for q in some], 1000, stage=one.stage)
            run = {query.id: hits for query, hits in zip(some, ranked, strict=True)}
            by_run = evaluate(run, judged, wanted)
            tally = found.tallies[one.name]
            assert tally.values == by_run.per_query
            assert tally.unjudged() == pytest.approx(by_run.unjudged_at_10)
            if one.name in found.recall:
                recall = evaluate(run, judged, parse_measures(["R@20"])).mean["R@20"]
                assert found.recall[one.name][20] == pytest.approx(recall)


def test_a_curve_by_depth_is_what_each_depth_alone_would_give(dense, models):
    with opened(dense, models) as searcher:
        lineup = line_up(searcher, [str(models[1])], CrossEncoderOptions())
        some = QUERIES[:4]
        found = measure_quality(lineup, searcher.index, some, QRELS, depth=20)
        [one] = lineup.reranked
        fused = searcher.stages.run([q.text for q in some], stage=lineup.baseline, k=1000)
        for depth, value in found.by_depth[one.name].items():
            heads = [ranking.head(depth) for ranking in fused.rankings["fused"]]
            ranked = rerank([q.text for q in some], heads, one.stages.scorer.get(), searcher.index)
            run = {
                query.id: [(searcher.index.id(row), 0.0) for row in ranking.rows.tolist()]
                for query, ranking in zip(some, ranked, strict=True)
            }
            judged = {query.id: QRELS[query.id] for query in some}
            alone = evaluate(run, judged, parse_measures(["nDCG@10"])).mean["nDCG@10"]
            assert value == pytest.approx(alone)
            assert value <= found.oracle[depth] + 1e-9


def test_a_row_tells_quality_significance_time_memory_and_size(measured, lexical):
    found, said = measured
    bm25, reranked = found.stages
    assert (bm25.name, reranked.name) == ("bm25", "reranked (reader)")
    assert bm25.against is None
    assert reranked.against.n_queries == 12
    assert reranked.p_holm == reranked.against.p  # one comparison alone
    for one in found.stages:
        assert 0 < one.latency_ms["p50"] <= one.latency_ms["p95"] <= one.latency_ms["p99"]
        assert one.cold_ms > one.latency_ms["p50"]
        assert one.batch_qps > 0
    assert reranked.peak_bytes > bm25.peak_bytes > 20e6  # models against none
    assert bm25.model_bytes == 0 < reranked.model_bytes
    assert len(found.times_ms["bm25"]) == 5
    assert found.asked["queries"] == 12
    assert found.asked["judged_queries"] == 40
    assert re.fullmatch(r"12 queries through 2 stages: about .*\.", said[0])


def test_only_the_parts_that_a_stage_reads_count_as_its_size(dense, models):
    with opened(dense, models) as searcher:
        generation = searcher.index.generation
        sizes = {
            one.name: disk_bytes(generation, one)
            for one in line_up(searcher, [], CrossEncoderOptions()).stages
        }
    whole = sum(stamp.n_bytes for _, stamp in generation.files())
    documents = sum(s.n_bytes for segment in generation.segments for s in segment.files.values())
    assert sizes["fused"] == whole
    assert sizes["bm25"] + sizes["tiny"] == whole + documents


def test_the_index_is_only_read(dense, models):
    before = every_byte(dense)
    with opened(dense, models) as searcher:
        lineup = line_up(searcher, [], CrossEncoderOptions())
        measure_quality(lineup, searcher.index, QUERIES[:2], QRELS, depth=20)
    assert every_byte(dense) == before


def test_the_same_seed_measures_the_same_queries_and_values(lexical, measured):
    options = BenchOptions(max_queries=12, sample=5)
    again, other = (
        bench(lexical, QUERIES, QRELS, options=replace(options, seed=seed)) for seed in (0, 1)
    )
    assert again.values["bm25"] == measured[0].values["bm25"]
    assert again.times_ms["bm25"].keys() == measured[0].times_ms["bm25"].keys()
    assert other.values["bm25"].keys() != again.values["bm25"].keys()


def test_a_lexical_index_has_one_stage_and_says_so(lexical):
    found = bench(lexical, QUERIES, QRELS)
    assert [one.name for one in found.stages] == ["bm25"]
    assert found.against == ""
    assert not found.ceilings
    assert verdict(found).startswith("BM25 alone reaches nDCG@10 .7")
    assert set(found.figures()) == set(captions(found)) == {"depth", "latency"}
    text = Page(page(found)).text
    assert "Every stage" in text
    for about_others in ("Holm", "Differences", "− bm25", "is bold", "stage behind"):
        assert about_others not in text


def test_unjudged_queries_and_documents_that_are_not_there_are_told(lexical):
    judged = {"ghost": {"x": 1}, **{q.id: dict(QRELS[q.id]) for q in QUERIES[:3]}}
    judged[QUERIES[0].id]["nowhere"] = 2
    found = bench(lexical, QUERIES, judged)
    assert found.asked["without_judgement"] == 37
    assert found.asked["without_text"] == 1
    assert found.asked["absent_documents"] == 1
    said = " ".join(caveats(found))
    assert "37 queries without a judgement did not take part." in said
    assert "1 relevant document of the judgements is not in the index" in said
    assert "3 queries are few" in said


def test_the_verdict_says_which_p_it_is_and_what_could_have_been_seen(measured):
    found = measured[0]
    bm25, reranked = found.stages
    chance = replace(reranked.against, p=0.4, detectable=0.0125, n_better=3)
    one = replace(reranked, against=chance, p_holm=0.4)
    said = verdict(replace(found, stages=(bm25, one)))
    assert "over 12 queries, p .400; one comparison at .05 would mostly have seen" in said
    assert "a true difference of .013." in said or "a true difference of .012." in said
    other = replace(one, name="other")
    both = replace(found, stages=(bm25, replace(one, p_holm=0.8), other))
    assert "p .800 after Holm's correction for 2 comparisons; one comparison at" in verdict(both)


def test_where_nothing_differs_no_detectable_difference_is_told(measured):
    bm25, reranked = measured[0].stages
    alike = replace(reranked.against, detectable=0.0, difference=0.0, n_better=0, n_worse=0)
    one = replace(reranked, against=alike, p_holm=1.0)
    found = replace(measured[0], stages=(bm25, one))
    assert verdict(found).startswith("Reranking changes nothing here")
    assert "true difference" not in " ".join([verdict(found), *caveats(found)])


def test_one_of_a_kind_is_not_spoken_of_as_many(lexical):
    said = []
    found = bench(lexical, QUERIES[:1], QRELS, tell=said.append)
    words = " ".join([*said, verdict(found), *caveats(found), Page(page(found)).text])
    assert "1 query through 1 stage: about" in words
    assert not re.findall(r"(?<![\w.,-])1 (?:queries|stages|times|judgements|threads)", words)


def test_a_caption_says_what_one_sees(measured):
    found = captions(measured[0])
    said = "Quality against time. bm25 is both faster and better than reranked (reader)."
    assert found["pareto"] == said
    against, _ = measured[0].comparison()
    assert f"{against.n_better} better, {against.n_ties} the same" in found["differences"]
    ideal = measured[0].ceilings["reranked (reader)"]
    assert f"would reach .{ideal.ndcg * 1000:.0f}; it reaches" in found["depth"]


class Page(HTMLParser):
    """Ids, tags that stay open, and the text of a page."""

    def __init__(self, text):
        super().__init__()
        self.ids, self.open, self.text = Counter(), [], ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.ids.update(value for name, value in attributes if name == "id")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_report_is_one_sound_page_that_asks_nobody(measured, report):
    text = (report / "report.html").read_text("utf-8")
    found = Page(text)
    assert not found.open
    assert max(found.ids.values()) == 1
    assert not re.search(r"https?:|<script|@import|url\((?!#)", text)
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', text)) <= set(found.ids)
    assert set(re.findall(r'aria-labelledby="([^"]+)"', text)) <= set(found.ids)
    for wanted in ("reranked (reader)", "Before you believe it", measured[0].index["fingerprint"]):
        assert wanted in found.text
    assert verdict(measured[0]) in " ".join(found.text.split())


def test_markup_in_queries_and_titles_stays_text(measured):
    evil = "<script>alert(1)</script> & <b>"
    moved = MovedQuery(
        id="q",
        text=evil,
        before=0.0,
        after=1.0,
        relevant=(),
        first_before=(),
        first_after=(Seen(id="d", title=evil, grade=None),),
    )
    text = page(replace(measured[0], helped=(moved,)))
    assert "<script" not in text
    assert Page(text).text.count(evil) == 2


def test_a_report_holds_all_numbers_and_those_of_every_query(measured, report):
    found = measured[0]
    figures = ("pareto", "differences", "depth", "latency")
    assert {p.name for p in report.iterdir()} == {
        *("report.html", "bench.json", "per_query.parquet"),
        *(f"{name}.{kind}" for name in figures for kind in ("png", "svg")),
    }
    numbers = json.loads((report / "bench.json").read_text("utf-8"))
    assert numbers["verdict"] == verdict(found)
    assert numbers["index"]["generation"] == 1
    assert numbers["about"]["versions"]["searchkit"]
    values = pq.read_table(report / "per_query.parquet").to_pylist()
    assert len(values) == 2 * 12
    mean = np.mean([row["nDCG@10"] for row in values if row["stage"] == "bm25"])
    assert mean == pytest.approx(numbers["stages"][0]["values"]["nDCG@10"])
    assert sum(row["latency_ms"] is not None for row in values) == 2 * 5


def test_a_report_replaces_a_report_and_nothing_else(measured, copied, tmp_path):
    out = copied
    (out / "bench.json").write_text("old")
    measured[0].write(out)
    assert (out / "bench.json").read_text() != "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]
    (out / "mine.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"out holds mine\.txt"):
        measured[0].write(out)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is a file"):
        measured[0].write(tmp_path / "file")


def test_a_folder_is_named_by_a_link_or_a_dot_too(measured, copied, tmp_path, monkeypatch):
    (tmp_path / "link").symlink_to(copied)
    for out in (tmp_path / "link", Path()):
        monkeypatch.chdir(copied)
        (copied / "bench.json").unlink()
        measured[0].write(out)
        assert (copied / "bench.json").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link", "out"]


def test_a_report_that_is_stopped_leaves_the_old_one_whole(measured, copied, tmp_path):
    before = every_byte(copied)
    with pytest.raises(KeyboardInterrupt):
        replace(measured[0], recall=Stop()).write(copied)
    assert every_byte(copied) == before
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


class Stop(dict):
    """Ctrl-C while a figure is drawn from it."""

    def values(self):
        raise KeyboardInterrupt


def test_known_items_are_asked_in_an_index_without_them_and_it_is_said(lexical, tmp_path):
    found = bench_known_items(lexical, 20, options=BenchOptions())
    assert found.asked["kind"] == "known items"
    assert sum(found.asked["by_kind"].values()) == found.asked["queries"] == 20
    assert found.index["path"] == str(lexical)
    assert found.index["fingerprint"]
    assert caveats(found)[0].startswith("These are no judgements of relevance")
    assert "Known items, no judgements." in page(found)
    asked = {text for text in found.texts.values()}
    assert len(asked) == 20


def test_what_was_asked_is_removed_from_the_documents_that_are_searched(lexical):
    with known_items(lexical, 20, seed=0, device="cpu", watch=silent) as items:
        with open_searcher(items.path, options=OpenOptions(reranker=None)) as searcher:
            for query in items.queries:
                [answer] = items.qrels[query.id]
                doc = searcher.index[searcher.index.row(answer)]
                assert query.text not in f"{doc.title} {doc.text}"
        scratch = items.path
    assert not scratch.exists()


def silent(phase):
    return lambda done, total: None


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"sample": 0}, "sample must be 1 or more, not 0"),
        ({"max_queries": 0}, "max-queries must be 1 or more, not 0"),
        ({"depth": 10_001}, "depth must be 1 to 10,000, not 10001"),
        ({"seed": -1}, "seed must be 0 or more, not -1"),
    ],
)
def test_options_that_cannot_be_are_sentences(options, why):
    with pytest.raises(ConfigError, match=why):
        BenchOptions(**options)


def test_rerankers_that_add_nothing_or_cannot_be_had_are_refused_first(lexical, models):
    def refuse(error, why, *names):
        with pytest.raises(error, match=why):
            bench(lexical, QUERIES, QRELS, options=BenchOptions(rerankers=names))

    refuse(ConfigError, "none has no effect: the pipeline has no reranker", "none")
    refuse(ConfigError, "is named twice", str(models[1]), str(models[1]))
    refuse(ModelError, "no-such-model", "no-such-model")
    with pytest.raises(CorpusError, match="no judgement is above 0"):
        bench(lexical, QUERIES, {QUERIES[0].id: {"x": 0, "y": -1}})
    with pytest.raises(CorpusError, match="none of its queries is judged"):
        bench(lexical, QUERIES, {"ghost": {"x": 1}})
    with pytest.raises(ConfigError, match="must be 1 to 5,000, not 0"):
        bench_known_items(lexical, 0)


def test_depths_of_a_curve_rise_and_hold_the_one_that_is_served():
    assert depths_of(50, 100) == [10, 20, 50, 100]
    assert depths_of(30, 20) == [10, 20, 30]
    assert depths_of(5, 5) == [5]


def test_an_svg_in_a_page_has_its_own_ids_and_the_colours_of_the_page():
    svg = '<?xml version="1.0"?><svg xmlns="http://a" width="9pt" height="9pt" viewBox="0 0 9 9">'
    svg += '<metadata><x/></metadata><g id="a"/><use xlink:href="#a" style="fill: #1a1a1a"/></svg>'
    assert inline(svg, name="n") == (
        '<svg viewBox="0 0 9 9"><g id="n-a"/><use href="#n-a" style="fill: var(--ink)"/></svg>'
    )


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed to open the report with")
def test_a_browser_opens_the_report_without_a_word_on_its_console(report, tmp_path):
    report = report / "report.html"
    shot = tmp_path / "shot.png"
    text, said = browse(report, tmp_path / "one", "--dump-dom")
    assert said == []
    assert "reranked (reader)" in text
    assert "var(--stage-1)" in text
    _, said = browse(report, tmp_path / "two", "--window-size=1100,900", f"--screenshot={shot}")
    assert said == []
    assert shot.stat().st_size > 20_000


SCROLLED = """<!DOCTYPE html><iframe style="width: %dpx" srcdoc="%s"></iframe><p id="said"></p>
<script>onload = () => {
  const tables = frames[0].document.querySelectorAll(".wide")
  said.textContent = [...tables].map(one => one.scrollWidth - one.clientWidth).join()
}</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed to open the report with")
def test_no_table_has_to_be_scrolled(measured, tmp_path):
    one = replace(measured[0].stages[1], model_bytes=10**9, peak_bytes=10**9, cold_ms=20_000)
    text = page(replace(measured[0], stages=(measured[0].stages[0], one)))
    for width in (1000, 420):
        frame = tmp_path / f"{width}.html"
        frame.write_text(SCROLLED % (width, escape(text)), "utf-8")
        found, _ = browse(frame, tmp_path / "profile", "--window-size=1200,900", "--dump-dom")
        assert '<p id="said">0,0</p>' in found
