"""A protocol and an open index -> what is not as it was when the protocol was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from searchkit.search.protocol.value import IndexState, Protocol

_SHOWN = 12  # characters of a fingerprint that a person compares


class Change(NamedTuple):
    """One thing that was one way and is another."""

    what: str
    then: str
    now: str

    def __str__(self) -> str:
        return f"{self.what}: {self.then} then, {self.now} now"


def changes(then: Protocol, now: Protocol) -> list[Change]:
    """Everything but the results that differs, what shapes a ranking most first."""
    return [
        *_of_index(then.index, now.index),
        *_of_models(then, now),
        *_of_settings("pipeline of the index", then.index.pipeline, now.index.pipeline),
        *_of_settings("version of", then.versions, now.versions, joint=" "),
        *_one("device", then.device, now.device),
    ]


def _of_index(then: IndexState, now: IndexState) -> Iterator[Change]:
    if then.fingerprint != now.fingerprint:
        yield Change("index content", _short(then.fingerprint), _short(now.fingerprint))
        for kind in {**then.content, **now.content}:
            held = then.content.get(kind, "none"), now.content.get(kind, "none")
            yield from _one(f"its {kind}", *map(_short, held))
    yield from _one("documents in the index", f"{then.n_docs:,}", f"{now.n_docs:,}")
    yield from _one("analyzer", then.analyzer, now.analyzer)
    if then.generation != now.generation:
        same = "" if then.fingerprint != now.fingerprint else ", of the same content"
        yield Change("generation", str(then.generation), f"{now.generation}{same}")


def _of_models(then: Protocol, now: Protocol) -> Iterator[Change]:
    for name, was in then.encoders.items():
        yield from _one(f"encoder {name}", _short(was), _short(now.encoders.get(name, "none")))
    if then.reranker is not None:
        name = f"reranker {then.pipeline.reranker}"
        yield from _one(name, _short(then.reranker), _short(now.reranker or "none"))


def _of_settings(
    what: str, then: Mapping[str, Any], now: Mapping[str, Any], *, joint: str = ", "
) -> Iterator[Change]:
    was, is_ = dict(_flat(then)), dict(_flat(now))
    for key in {**was, **is_}:
        yield from _one(f"{what}{joint}{key}", was.get(key, "none"), is_.get(key, "none"))


def _flat(settings: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, str]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{within}{key}.")
        else:
            yield f"{within}{key}", _short(_spell(value)) if "fingerprint" in key else _spell(value)


def _spell(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or "none"
    return "none" if value is None or value == "" else str(value)


def _one(what: str, then: str, now: str) -> Iterator[Change]:
    if then != now:
        yield Change(what, then, now)


def _short(fingerprint: str) -> str:
    return fingerprint[:_SHOWN]
