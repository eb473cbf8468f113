"""Names of measures, as ir-measures writes them -> measures."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeAlias

from searchkit.errors import ConfigError

if TYPE_CHECKING:
    from ir_measures import Measure, Provider

Argument: TypeAlias = int | float | bool | str | dict[int, int]

_CUTOFFS = range(1, 1_000_001)  # far beyond it the C code of trec_eval overflows
EXAMPLES = "nDCG@10, R@100, RR@10, AP, P(rel=2)@5"
_VALUE = r"[+-]?[0-9.]+|True|False|'[^']*'|\"[^\"]*\"|\{[0-9\s:,-]*\}"
_ARGUMENT = re.compile(rf"\s*(?P<name>\w+)\s*=\s*(?P<value>{_VALUE})\s*(?:,|\Z)")
_MEASURE = re.compile(
    r"\s*(?P<name>[^\W\d]\w*)(?:\((?P<arguments>.*)\))?(?:@(?P<at>[0-9.]+))?\s*", re.DOTALL
)


def parse_measures(names: Sequence[str]) -> list[Measure]:
    """The measure of each name, none twice, or ConfigError with what can be written.

    Reads `Name`, `Name@cutoff`, `Name(parameter=value)@cutoff`, like ir-measures' own parser,
    which cannot be used: it needs parts of Python that 3.14 removed.
    """
    return list(dict.fromkeys(_parse(name) for name in names))


def pipeline() -> Provider:
    """What computes the measures: ir-measures' choice of packages for each.

    Without gdeval, a Perl script that dies on ids that are not numbers.
    """
    from ir_measures import DefaultPipeline, providers

    kept = [provider for provider in DefaultPipeline.providers if provider.NAME != "gdeval"]
    return providers.FallbackProvider(kept)  # type: ignore[no-untyped-call]


def _parse(text: str) -> Measure:
    from ir_measures.measures import registry

    found = _MEASURE.fullmatch(text)
    if found is None:
        raise _refuse(text, "is not written like a measure")
    measure = registry.get(found["name"])
    if measure is None:
        near = get_close_matches(found["name"], registry, 1, cutoff=0.4)
        raise _refuse(text, f"is unknown, did you mean {near[0]}?" if near else "is unknown")
    arguments = dict(_arguments(text, found["arguments"] or ""))
    if found["at"] is not None:
        arguments[measure.AT_PARAM] = _value(text, found["at"])
    _check(text, measure, arguments)
    chosen: Measure = measure(**arguments)
    if not pipeline().supports(chosen):
        raise _refuse(text, "needs a package that is not installed, or no package computes it")
    return chosen


def _arguments(text: str, spelled: str) -> Iterator[tuple[str, Argument]]:
    place = 0
    while spelled[place:].strip():
        found = _ARGUMENT.match(spelled, place)
        if found is None:
            raise _refuse(text, "has parameters that are not written like rel=2")
        yield found["name"], _value(text, found["value"])
        place = found.end()


def _value(text: str, spelled: str) -> Argument:
    try:
        value: Argument = ast.literal_eval(spelled)
    except (ValueError, SyntaxError):
        raise _refuse(text, f"has a value that cannot be read, {spelled!r}") from None
    return value


def _check(text: str, measure: Measure, arguments: Mapping[str, Argument]) -> None:
    supported = measure.SUPPORTED_PARAMS
    for name, value in arguments.items():
        if name not in supported:
            raise _refuse(text, f"has no parameter {name!r}, it has {', '.join(supported)}")
        wrong_kind = isinstance(value, bool) and supported[name].dtype is not bool
        out_of_range = name == "cutoff" and value not in _CUTOFFS
        valid = supported[name].validate(value)  # type: ignore[no-untyped-call]
        if wrong_kind or out_of_range or not valid:
            raise _refuse(text, f"cannot have {name} {value!r}")
    for name, parameter in supported.items():
        if parameter.required and name not in arguments:
            short = f", as in {measure}@10" if name == measure.AT_PARAM == "cutoff" else ""
            raise _refuse(text, f"needs a {name}{short}")


def _refuse(text: str, why: str) -> ConfigError:
    said = f"the measure {text[:60]!r} {why}" + ("" if why.endswith("?") else ".")
    return ConfigError(f"{said} Measures are written like {EXAMPLES}.")
