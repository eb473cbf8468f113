import os
import shutil

import pytest

from searchkit.cli.forecast import forecast
from searchkit.search.api import IndexOptions

ROW = b'{"_id": "1", "text": "A disc of water masers."}\n'


@pytest.mark.parametrize("fits", [True, False])
def test_an_index_that_the_disk_cannot_hold_is_warned_of(tmp_path, capsys, fits):
    corpus, out = tmp_path / "c.jsonl", tmp_path / "some" / "index"
    corpus.write_bytes(ROW)
    if not fits:
        with corpus.open("wb") as file:  # sparse: no block of it is on the disk but the first
            file.write(ROW * 40_000)
            os.truncate(file.fileno(), shutil.disk_usage(tmp_path).free)
    forecast([str(corpus)], out=out, encoders=[], options=IndexOptions())
    said = capsys.readouterr().err
    assert ("has too little free space" in said) is not fits
    assert (f"Warning: the disk of {out}" in said) is not fits
