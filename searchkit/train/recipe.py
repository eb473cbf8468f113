"""A recipe's name or TOML file -> every setting of a training run, checked, as one value."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from searchkit.errors import ConfigError
from searchkit.train.recipe_checks import LOSSES, problems_of

Family: TypeAlias = Literal["bi-encoder", "cross-encoder"]
Shape: TypeAlias = Literal["triplets", "pairs", "labelled", "lists", "beir"]
Precision: TypeAlias = Literal["auto", "fp32", "fp16", "bf16"]
Sampler: TypeAlias = Literal["batch", "no-duplicates"]
Pooling: TypeAlias = Literal["mean", "cls", "max"]
Scheduler: TypeAlias = Literal["linear", "cosine", "constant", "constant_with_warmup"]
Optimizer: TypeAlias = Literal["adamw_torch", "adamw_torch_fused"]
Evaluator: TypeAlias = Literal["", "classification", "similarity", "reranking", "retrieval"]


__all__ = ["LOSSES", "Recipe", "from_dict", "named", "names", "with_settings"]
_FOLDER = Path(__file__).parent / "recipes"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that decides a training run beside its data; ConfigError lists every bad setting.

    Defaults are those of the transformers trainer where it has one.
    """

    name: str
    about: str  # one sentence
    family: Family
    base: str  # alias, folder or hub name
    shape: Shape  # of the examples
    loss: str  # one of LOSSES
    loss_args: Mapping[str, Any] = field(default_factory=dict)
    max_tokens: int  # of a text (bi-encoder) or of a pair (cross-encoder)
    pooling: Pooling = "mean"  # of a bi-encoder's base that has no pooling of its own
    layers: tuple[int, ...] = ()  # of the base that are kept, counted from 0; empty: all
    lora: int = 0  # rank of the adapter; 0: all weights are trained
    frozen_embeddings: bool = False  # the token table stays as it is in the base
    dropout: float = -1.0  # of every layer that has one; below 0: as in the base
    batch_size: int
    eval_batch_size: int = 0  # 0: as batch_size
    epochs: float
    max_steps: int = -1  # above 0 it replaces epochs
    learning_rate: float = 5e-5
    head_learning_rate: float = 0.0  # of pooler and classifier, which may be new; 0: the same
    warmup_steps: int = 0
    warmup_ratio: float = 0.0  # of all steps
    weight_decay: float = 0.0
    scheduler: Scheduler = "linear"
    optimizer: Optimizer = "adamw_torch_fused"
    accumulate: int = 1  # batches a step
    precision: Precision = "auto"  # on CUDA (auto: bf16 where it has it, else fp16); a CPU: fp32
    sampler: Sampler = "batch"
    workers: int = 0
    seed: int = 42
    evaluate_every: int = 0  # steps; 0: once an epoch
    evaluator: Evaluator = ""  # "": no evaluation beside the loss
    evaluator_name: str = ""  # of the development set, in logs and cards
    best_metric: str = ""  # of the evaluator; "": its own first
    keep_best: bool = False  # the model that is saved is the best evaluated, not the last
    patience: int = 0  # evaluations without a gain before it stops; 0: it never stops early
    log_every: int = 500  # steps
    ignore_data_skip: bool = False  # a resumed run finds its place without reading rows again
    samples: bool = True  # of the data in the card; false where its texts may not be copied
    card: Mapping[str, Any] = field(default_factory=dict)  # what was published, for comparison

    def __post_init__(self) -> None:
        if problems := problems_of(self):
            raise ConfigError(f"recipe {self.name}: {'; '.join(problems)}.")


def names() -> list[str]:
    """The recipes that come with searchkit, in alphabetical order."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def named(name_or_path: str) -> Recipe:
    """The recipe of this name, or in this TOML file; ConfigError where there is none."""
    path = _FOLDER / f"{name_or_path}.toml"
    if name_or_path not in names():
        path = Path(name_or_path).expanduser()
        if path.suffix != ".toml":
            near = get_close_matches(name_or_path, names(), 1, cutoff=0.0)[0]
            raise ConfigError(
                f"there is no recipe {name_or_path!r}. Did you mean {near!r}? "
                "`searchkit recipes` lists all; or give the path of a .toml file."
            )
    try:
        settings = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path}: {error.strerror or error}. Give a recipe's name or its .toml file."
        ) from error
    except ValueError as error:  # not TOML, or not UTF-8
        raise ConfigError(f"{path}: {error}. Write it as TOML in UTF-8.") from error
    return from_dict(settings, where=str(path) if path.parent != _FOLDER else name_or_path)


def from_dict(settings: Mapping[str, Any], *, where: str) -> Recipe:
    """The recipe with these settings; `where` names their source in errors (ConfigError)."""
    missing = [setting for setting in _REQUIRED if setting not in settings]
    if missing:
        raise ConfigError(f"{where}: {', '.join(missing)} must be set.")
    return Recipe(**{key: _fit(where, key, value) for key, value in settings.items()})


def with_settings(recipe: Recipe, settings: Sequence[str]) -> Recipe:
    """The recipe with `key=value` settings in place of its own, the last of a key winning.

    A value is written as in TOML; quotes around a word may be left out, and `0,2,5` is a list.
    `loss_args.scale=10` sets one argument of the loss. ConfigError names what is unknown, with
    the nearest name, or has the wrong type.
    """
    values: dict[str, Any] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        key, _, argument = key.strip().partition(".")
        if not equals:
            raise ConfigError(f"--set {setting}: write it as key=value.")
        if argument and key != "loss_args":
            raise ConfigError(f"--set {setting}: only loss_args has arguments of its own.")
        value = _parse(key, text.strip())
        if argument:
            value = {**values.get(key, recipe.loss_args), argument: value}
        values[key] = _fit("--set", key, value)
    return replace(recipe, **values)


def _parse(key: str, text: str) -> Any:  # noqa: ANN401 - a TOML value
    if _KINDS.get(key, "").startswith("tuple") and not text.startswith("["):
        text = f"[{text}]"
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _fit(where: str, key: str, value: Any) -> Any:  # noqa: ANN401 - what TOML gives
    if key not in _KINDS:
        near = get_close_matches(key, list(_KINDS), 1, cutoff=0.0)[0]
        raise ConfigError(f"{where}: there is no setting {key!r}. Did you mean {near!r}?")
    kind = _KINDS[key]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = {
        "int": number and isinstance(value, int),
        "float": number,
        "bool": isinstance(value, bool),
        "tuple[int, ...]": isinstance(value, list) and all(type(item) is int for item in value),
        "Mapping[str, Any]": isinstance(value, Mapping),
    }
    if not fits.get(kind, isinstance(value, str)):
        raise ConfigError(f"{where}: {key} must be {_WORDS.get(kind, 'a text')}, not {value!r}.")
    if kind in _CHOICES and value not in _CHOICES[kind]:
        near = get_close_matches(value, _CHOICES[kind], 1, cutoff=0.0)[0]
        raise ConfigError(f"{where}: {key} cannot be {value!r}. Did you mean {near!r}?")
    if kind.startswith("tuple"):
        return tuple(value)
    return float(value) if kind == "float" else value


_KINDS = {setting.name: str(setting.type) for setting in fields(Recipe)}
_REQUIRED = [
    setting.name
    for setting in fields(Recipe)
    if setting.default is MISSING and setting.default_factory is MISSING
]
_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple[int, ...]": "a list of layers, such as 0,2,5",
    "Mapping[str, Any]": "a table",
}
_CHOICES: dict[str, tuple[str, ...]] = {
    "Family": get_args(Family),
    "Shape": get_args(Shape),
    "Precision": get_args(Precision),
    "Sampler": get_args(Sampler),
    "Pooling": get_args(Pooling),
    "Scheduler": get_args(Scheduler),
    "Optimizer": get_args(Optimizer),
    "Evaluator": get_args(Evaluator),
}
