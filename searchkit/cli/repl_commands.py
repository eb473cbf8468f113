"""Lines of the REPL -> a query or a command, and what could complete them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from searchkit.errors import ConfigError

COMMANDS: Mapping[str, tuple[str, str]] = {  # name -> (argument, what it does)
    "k": ("N", "show N hits"),
    "stage": ("NAME", "search as far as a stage; alone: the whole pipeline"),
    "where": ("FILTER", "rank only what passes, e.g. year >= 2015; alone: everything"),
    "budget": ("MS", "end reranking in time for a search of so many ms; alone: no budget"),
    "explain": ("", "show or hide each hit's way through the stages"),
    "merge": ("", "show versions of a work as one hit, or each as one of its own"),
    "why-not": ("ID", "say where the last query lost a paper"),
    "like": ("N|ID", "search for papers like hit N, or like a document or file"),
    "open": ("N", "show all of hit N"),
    "cite": ("FORMAT [FILE]", "write the hits as bibtex, ris or csl-json; alone: as bibtex"),
    "set": ("KEY=VALUE", "change a setting of the pipeline; alone: show them"),
    "reload": ("", "go over to what the index holds now"),
    "time": ("", "run the last query five times, show the median of every stage"),
    "help": ("", "show this"),
    "quit": ("", "leave, like Ctrl-D"),
}
_PLAIN_NAME = re.compile(r"[^\W\d]\w*")


class Ask(NamedTuple):
    """A query."""

    text: str


class Command(NamedTuple):
    name: str  # of COMMANDS
    argument: str  # may be empty


def parse(line: str) -> Ask | Command | None:
    """What a line asks for, or None for a blank one. `::x` is the query `:x`."""
    line = line.strip()
    if not line:
        return None
    if not line.startswith(":"):
        return Ask(line)
    if line.startswith("::"):
        return Ask(line[1:])
    name, _, argument = line[1:].partition(" ")
    if name in ("q", "exit"):
        name = "quit"
    if name not in COMMANDS:
        near = get_close_matches(name, COMMANDS, 1, cutoff=0.0)[0]
        raise ConfigError(
            f"there is no command :{name}. Did you mean :{near}? A query that begins with a colon "
            "is written with two."
        )
    if argument.strip() and not COMMANDS[name][0]:
        raise ConfigError(f":{name} takes nothing behind it.")
    return Command(name, argument.strip())


def help_lines() -> list[list[str]]:
    """Rows for a table: command, what it does."""
    rows = [["command", ""]]
    rows += [[f":{name} {argument}".rstrip(), does] for name, (argument, does) in COMMANDS.items()]
    return [*rows, ["TEXT", "search; no character is syntax, but a first : is written ::"]]


class Choices(NamedTuple):
    """What an argument can be."""

    stages: Sequence[str] = ()
    columns: Sequence[str] = ()
    settings: Sequence[str] = ()
    ids: Sequence[str] = ()  # of the hits on the screen


def completions(text: str, choices: Choices) -> tuple[str, list[str]]:
    """The end of `text` that is being written, and what it could become."""
    if not text.startswith(":") or text.startswith("::"):
        return "", []
    name, space, argument = text[1:].partition(" ")
    if not space:
        found = [command for command in COMMANDS if command.startswith(name)]
        return text, [
            f":{command} " if COMMANDS[command][0] else f":{command}" for command in found
        ]
    if name == "where":
        begun = re.search(r"[^\s(,<>=!]*$", argument)
        word = begun[0] if begun else ""
        return word, _beginning(word, [_spell_column(column) for column in choices.columns])
    offered = {
        "stage": choices.stages,
        "set": [f"{key}=" for key in choices.settings],
        "why-not": choices.ids,
        "like": choices.ids,
        "open": [str(n + 1) for n in range(len(choices.ids))],
    }
    return argument, _beginning(argument, offered.get(name, ()))


def _beginning(word: str, offered: Sequence[str]) -> list[str]:
    return [choice for choice in offered if choice.lower().startswith(word.lower())]


def _spell_column(name: str) -> str:
    """The column as a filter writes it."""
    return name if _PLAIN_NAME.fullmatch(name) else "`" + name.replace("`", "``") + "`"
