"""Which pipeline an index runs when nobody says: promoted, factory, or BM25 alone, and why."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from searchkit.index.index import Index
from searchkit.search.pipeline import Pipeline, factory

# ISO 639-1 codes of analyzers, to compare with the languages on a model's card
CODES = {
    "arabic": "ar", "armenian": "hy", "basque": "eu", "catalan": "ca", "czech": "cs",
    "danish": "da", "dutch": "nl", "dutch_porter": "nl", "english": "en", "esperanto": "eo",
    "estonian": "et", "finnish": "fi", "french": "fr", "german": "de", "greek": "el",
    "hindi": "hi", "hungarian": "hu", "indonesian": "id", "irish": "ga", "italian": "it",
    "lithuanian": "lt", "nepali": "ne", "norwegian": "no", "persian": "fa", "polish": "pl",
    "porter": "en", "portuguese": "pt", "romanian": "ro", "russian": "ru", "serbian": "sr",
    "sesotho": "st", "spanish": "es", "swedish": "sv", "tamil": "ta", "turkish": "tr",
    "yiddish": "yi",
}  # fmt: skip
SHATTERED = 0.4  # share of unknown or single-character pieces from which an encoder reads noise


def choose(index: Index) -> Pipeline:
    """The promoted pipeline, or the factory's with the encoders that can read this corpus."""
    if index.generation.pipeline is not None:
        return Pipeline.from_dict(index.generation.pipeline)
    able, why = [], ""
    for record in index.generation.encoders:
        reason = unfit(record, index.analyzer.name)
        if reason:
            why = reason
        else:
            able.append(record["name"])
    return factory(able, left_out=why)


def unfit(record: Mapping[str, Any], analyzer: str) -> str:
    """Why an encoder should not rank this corpus by default; "" where it should."""
    code, known = CODES.get(analyzer), record.get("languages") or []
    if code and known and code not in known:
        return f"{record['name']} reads {', '.join(known)} and the corpus is analysed as {analyzer}"
    shattered = record.get("shattered", 0.0)
    if shattered > SHATTERED:
        return f"{record['name']} knows {1 - shattered:.0%} of the pieces of this corpus"
    return ""
