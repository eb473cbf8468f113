"""`searchkit.json` in a reranker's folder -> how it wants to be read and believed.

    {"template": "{title} {text}", "max_tokens": 64, "window": "focus",
     "depth": 100, "interpolation": 0.5, "scale": "raw", "bound": 10, "after": ["fused"]}

Every key may be left out. `template`, `max_tokens` and `window` say what the model reads of a
document; `depth`, `interpolation`, `scale` and `bound` are what `searchkit.rerank.RerankOptions`
starts from where nobody says otherwise; `after` names the stages that a packaged reranker follows
by default.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from searchkit.errors import ModelError

Window: TypeAlias = Literal["head", "focus"]  # where a long document is read: its head, or
# the sentences that share most with the query, moved to its head
Scale: TypeAlias = Literal["min-max", "raw"]

FILE = "searchkit.json"
_AFTER = ("bm25", "fused")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What a model's folder says about its use; None where it says nothing."""

    template: str | None = None
    max_tokens: int | None = None  # of a pair
    window: Window | None = None
    depth: int | None = None
    interpolation: float | None = None  # weight of the first stage
    scale: Scale | None = None
    bound: float | None = None  # of its scores, so that not all of the depth need be read
    after: tuple[str, ...] = ("fused",)  # stages that it follows by default, where it is shipped

    @property
    def rerank(self) -> dict[str, Any]:
        """The settings of `RerankOptions` that it names."""
        names = ("depth", "interpolation", "scale", "bound")
        settings = {name: getattr(self, name) for name in names}
        return {name: value for name, value in settings.items() if value is not None}


def read_serving(folder: Path) -> Serving:
    """What the folder says; nothing where it has no file. ModelError where the file is wrong."""
    path = folder / FILE
    try:
        settings = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return Serving()
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error}). Mend it or delete it.") from error
    if not isinstance(settings, dict):
        raise ModelError(f"{path} must hold one JSON object. Mend it or delete it.")
    known = [field.name for field in fields(Serving)]
    for key, value in settings.items():
        if key not in known:
            near = get_close_matches(key, known, 1, cutoff=0.0)[0]
            raise ModelError(f"{path}: there is no setting {key!r}. Did you mean {near!r}?")
        if not _FITS[key](value):
            raise ModelError(f"{path}: {key} cannot be {value!r}.")
    if "after" in settings:
        settings["after"] = tuple(settings["after"])
    return Serving(**settings)


def write_serving(folder: Path, settings: Serving) -> None:
    """Write the settings that are not None into the folder of a model."""
    said = {name: value for name, value in asdict(settings).items() if value is not None}
    (folder / FILE).write_text(json.dumps(said, indent=1) + "\n", "utf-8")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


_FITS: dict[str, Callable[[Any], bool]] = {
    "template": lambda value: isinstance(value, str),
    "max_tokens": lambda value: type(value) is int and value > 0,
    "window": lambda value: value in get_args(Window),
    "depth": lambda value: type(value) is int and value > 0,
    "interpolation": lambda value: _is_number(value) and 0 <= value <= 1,
    "scale": lambda value: value in get_args(Scale),
    "bound": lambda value: _is_number(value) and value > 0,
    "after": lambda value: isinstance(value, list) and all(stage in _AFTER for stage in value),
}
