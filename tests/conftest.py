import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from searchkit.types import Ranking

# no test is timed: a machine may be busy
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

DATA = Path(__file__).parents[1] / ".." / "shared" / "data"


def ranking(scores: Mapping[int, float], k: int = 100) -> Ranking:
    rows = np.array(list(scores), dtype=np.int64)
    return Ranking.top(rows, np.array(list(scores.values()), dtype=np.float32), k)


@pytest.fixture(scope="session", autouse=True)
def _nothing_of_the_user(tmp_path_factory):
    """Fixtures of a whole module leave the real home alone as well.

    No embedding cache, or of two builds that a test compares the second would copy the first.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEARCHKIT_HOME", str(tmp_path_factory.mktemp("session")))
        patch.setenv("SEARCHKIT_CACHE_MB", "0")
        yield


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    """Exported models, kept for all tests: their names tell their content."""
    return tmp_path_factory.mktemp("served")


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch, served):
    """A SEARCHKIT_HOME of its own for each test, so that none sees another's stamps."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "served").symlink_to(served, target_is_directory=True)
    monkeypatch.setenv("SEARCHKIT_HOME", str(folder))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return folder


@pytest.fixture
def real_data() -> Path:
    """The folder of real collections; its tests carry the mark `data`."""
    if not DATA.is_dir():
        if os.environ.get("SEARCHKIT_REQUIRE_DATA"):
            pytest.fail("../shared/data is missing and SEARCHKIT_REQUIRE_DATA is set")
        pytest.skip("../shared/data is absent")
    return DATA.resolve()
