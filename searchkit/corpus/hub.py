"""Hugging Face data sets -> rows, streamed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa

from searchkit.corpus.ledger import ReadLedger
from searchkit.corpus.meta import typed_values
from searchkit.corpus.parquet import spell_fields
from searchkit.corpus.rows import Fields, Rows
from searchkit.errors import CorpusError

PREFIX = "hf:"


def open_hub(source: str, *, split: str, revision: str | None, ledger: ReadLedger) -> Rows:
    """The rows of `hf:NAME[:CONFIG]`, numbered from 1; nothing is stored on the disk."""
    numbered = _numbered(source, split=split, revision=revision, ledger=ledger)
    return Rows(source, numbered, dict, meta=typed_values, spell=spell_fields, close=numbered.close)


def _numbered(
    source: str, *, split: str, revision: str | None, ledger: ReadLedger
) -> Generator[tuple[int, Fields], None, None]:
    from datasets import load_dataset

    name, _, config = source.removeprefix(PREFIX).partition(":")
    if not name:
        raise CorpusError(source, None, "no data set is named. Write hf:NAME or hf:NAME:CONFIG")
    with _sentences(source):
        _reach(name, revision)
        stream = load_dataset(name, config or None, split=split, revision=revision, streaming=True)
        for n, row in enumerate(stream, 1):
            ledger.bytes_read += sum(len(v.encode()) for v in row.values() if isinstance(v, str))
            yield n, row


def _reach(name: str, revision: str | None) -> None:
    """Ask the hub once: without a network load_dataset asks for half a minute, line by line."""
    from huggingface_hub import HfApi, is_offline_mode
    from huggingface_hub.errors import HfHubHTTPError

    if is_offline_mode() or Path(name).exists():
        return
    with suppress(HfHubHTTPError):  # an answer: load_dataset says best what it means
        HfApi().dataset_info(name, revision=revision)


@contextmanager
def _sentences(source: str) -> Iterator[None]:
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

    try:
        yield
    except (ConnectionError, HTTPError) as error:
        why = "the hub cannot be reached. Go online, or download the files and name them instead"
        raise CorpusError(source, None, why) from error
    except (
        *(OSError, ValueError, LookupError, TypeError, RuntimeError),
        *(DatasetsError, pa.ArrowException),
    ) as error:
        said = str(error).partition("\n")[0].rstrip(".")
        why = f"the data set cannot be read ({said}). Check its name, configuration and split"
        raise CorpusError(source, None, why) from error
