"""The bundled sample as a lexical index, and the command line as tests call it."""

from typer.testing import CliRunner

from searchkit import sample
from searchkit.cli.verbs import app


def invoke(*arguments, stdin=None):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def build_sample(folder):
    """A lexical index of the bundled sample at a folder that is not there yet."""
    built = invoke("index", sample.corpus_path(), "--out", folder, "--lexical-only")
    assert built.exit_code == 0, built.stderr
    return folder


def refused(*arguments, stdin=None, status=1):
    """The one line that a command says on stderr when it refuses."""
    result = invoke(*arguments, stdin=stdin)
    assert result.exit_code == status, result.output
    assert result.stdout == ""
    lines = result.stderr.strip().splitlines()
    assert len(lines) == 1, result.stderr
    assert lines[0].startswith("searchkit: ")
    return lines[0]
