"""A run that was stopped and resumed ends with the weights of one that was not."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import train_samples as samples
from safetensors.numpy import load_file

from searchkit.errors import ConfigError
from searchkit.train.checkpoints import checkpoints, step_of
from searchkit.train.run import TrainingStopped, train

TESTS = Path(__file__).parent


class Killed(Exception):
    """What a progress raises to end a run where a kill would."""


def stop_at(step, stop):
    def progress(done, total):
        if done == step:
            stop()

    return progress


def interrupt():
    signal.raise_signal(signal.SIGINT)


def kill():
    raise Killed


def weights(out):
    return load_file(out / "model.safetensors")


def gap(one, other):
    one, other = weights(one), weights(other)
    assert one.keys() == other.keys()
    return max(float(abs(one[name] - other[name]).max()) for name in one)


CASES = {
    "cross-encoder, negatives drawn at random": {
        "shape": "triplets",
        "loss": "multiple-negatives",
        "loss_args": {"scale": 10.0, "num_negatives": 2, "activation": "sigmoid"},
    },
    "bi-encoder, no duplicates": {
        "family": "bi-encoder",
        "shape": "pairs",
        "loss": "multiple-negatives",
        "sampler": "no-duplicates",
    },
    "no duplicates, data skip ignored, accumulated": {
        "family": "bi-encoder",
        "shape": "pairs",
        "loss": "multiple-negatives",
        "sampler": "no-duplicates",
        "ignore_data_skip": True,
        "accumulate": 2,
    },
    "data skip ignored, in the second epoch": {
        "loss_args": {"pos_weight": 5.0},
        "ignore_data_skip": True,
        "batch_size": 20,
    },
    "accumulated, warm-up": {"accumulate": 3, "warmup_ratio": 0.3, "weight_decay": 0.1},
    "adapter": {"lora": 2},
}
ROWS = {"triplets": samples.triplets, "pairs": samples.pairs, "labelled": samples.labelled}


def case(folder, settings):
    settings = {"epochs": 2.5, **settings}
    base = samples.base(folder, settings.get("family", "cross-encoder"))
    shape = settings.get("shape", "labelled")
    rows = ROWS[shape](9) + ROWS[shape](2)  # the last ones stand twice in it
    return samples.recipe(base, **settings), samples.read(folder, rows, shape)


@pytest.mark.parametrize("settings", CASES.values(), ids=CASES.keys())
@pytest.mark.parametrize("stop", [1, 3])
def test_resume_ends_with_the_weights_of_an_uninterrupted_run(tmp_path, settings, stop):
    recipe, data = case(tmp_path, settings)
    whole = train(recipe, data, None, tmp_path / "whole", device="cpu")
    with pytest.raises(TrainingStopped, match=rf"after step {stop} of {whole.n_steps}.*--resume"):
        train(recipe, data, None, tmp_path / "cut", device="cpu", progress=stop_at(stop, interrupt))
    resumed = train(recipe, data, None, tmp_path / "cut", device="cpu", resume=True)
    assert resumed.n_steps == whole.n_steps == resumed.total_steps
    assert gap(tmp_path / "whole", tmp_path / "cut") < 1e-6


def test_resume_differs_from_where_it_began(tmp_path):
    """The other tests could not fail if training changed nothing."""
    recipe, data = case(tmp_path, CASES["data skip ignored, in the second epoch"])
    train(recipe, data, None, tmp_path / "one", device="cpu")
    from dataclasses import replace

    train(replace(recipe, seed=1), data, None, tmp_path / "other", device="cpu")
    assert gap(tmp_path / "one", tmp_path / "other") > 1e-3


def test_patience_is_counted_across_a_stop(tmp_path):
    recipe, data = case(
        tmp_path,
        {
            "epochs": 5,
            "learning_rate": 1e-12,  # so no evaluation gains on the first
            "evaluate_every": 2,
            "evaluator": "classification",
            "patience": 3,
        },
    )
    dev = samples.read(tmp_path, samples.labelled(4, seed=1), "labelled", name="dev")
    whole = train(recipe, data, dev, tmp_path / "whole", device="cpu")
    assert whole.stopped_early
    assert whole.n_steps == 8  # the first evaluation and three without a gain
    with pytest.raises(TrainingStopped):
        train(recipe, data, dev, tmp_path / "cut", device="cpu", progress=stop_at(5, interrupt))
    resumed = train(recipe, data, dev, tmp_path / "cut", device="cpu", resume=True)
    assert resumed.n_steps == 8
    assert gap(tmp_path / "whole", tmp_path / "cut") < 1e-6
    log = [(tmp_path / name / "training/log.jsonl").read_text() for name in ("whole", "cut")]
    steps = [[json.loads(line)["step"] for line in text.splitlines()] for text in log]
    assert steps[0] == steps[1]


def test_a_run_killed_after_its_last_checkpoint_only_ends(tmp_path):
    settings = {"evaluate_every": 3, "evaluator": "classification", "keep_best": True}
    recipe, data = case(tmp_path, settings)
    dev = samples.read(tmp_path, samples.labelled(4, seed=1), "labelled", name="dev")
    whole = train(recipe, data, dev, tmp_path / "out", device="cpu")
    before = weights(tmp_path / "out")
    (tmp_path / "out/training/result.json").unlink()
    (tmp_path / "out/model.safetensors").unlink()
    again = train(recipe, data, dev, tmp_path / "out", device="cpu", resume=True)
    assert again == whole
    assert all((weights(tmp_path / "out")[name] == kept).all() for name, kept in before.items())


def test_a_finished_run_is_returned_as_it_is(tmp_path):
    recipe, data = case(tmp_path, {"max_steps": 2})
    done = train(recipe, data, None, tmp_path / "out", device="cpu")
    assert train(recipe, data, None, tmp_path / "out", resume=True, progress=kill) == done


def test_a_crash_before_the_first_checkpoint_starts_again(tmp_path):
    recipe, data = case(tmp_path, {"max_steps": 3})
    train(recipe, data, None, tmp_path / "whole", device="cpu")
    with pytest.raises(Killed):
        train(recipe, data, None, tmp_path / "cut", device="cpu", progress=stop_at(2, kill))
    assert not checkpoints(tmp_path / "cut/training/checkpoints")
    train(recipe, data, None, tmp_path / "cut", device="cpu", resume=True)
    assert gap(tmp_path / "whole", tmp_path / "cut") < 1e-6


def test_another_recipe_or_other_data_is_no_resume(tmp_path):
    from dataclasses import replace

    recipe, data = case(tmp_path, {"max_steps": 2})
    out = tmp_path / "out"
    train(recipe, data, None, out, device="cpu")
    with pytest.raises(ConfigError, match=r"learning_rate was 0\.001 and is 0\.1"):
        train(replace(recipe, learning_rate=0.1), data, None, out, resume=True)
    other = samples.read(tmp_path, samples.labelled(3), "labelled", name="other")
    with pytest.raises(ConfigError, match="training data changed"):
        train(recipe, other, None, out, resume=True)
    with pytest.raises(ConfigError, match="not empty"):
        train(recipe, data, None, out)
    with pytest.raises(ConfigError, match="no run to go on with"):
        train(recipe, data, None, tmp_path / "nowhere", resume=True)


SCRIPT = """
import os, signal, resource, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_train_resume as here
from searchkit.errors import StorageError

folder, out, stop, how = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
recipe, data = here.case(folder, here.DIES)
def kill_in_the_middle(event, given):
    if event == "open" and ".draft" in str(given[0]):
        os.kill(os.getpid(), signal.SIGKILL)
def die():
    if how == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "kill while saving":
        return sys.addaudithook(kill_in_the_middle)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
try:
    here.train(recipe, data, None, out, device="cpu", resume=out.exists(),
               progress=here.stop_at(stop, die))
except StorageError as error:
    print(error)
    sys.exit(7)
"""
DIES = {**CASES["data skip ignored, in the second epoch"], "batch_size": 4, "evaluate_every": 3}


def run_script(*arguments):
    return subprocess.run(
        [sys.executable, "-c", SCRIPT.format(tests=str(TESTS)), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def finish(folder, out):
    """To the end, in a process like those that died: other threads round in another way."""
    run = run_script(folder, out, -1, "never")
    assert run.returncode == 0, run.stderr


def test_kill_9_costs_no_weights(tmp_path):
    finish(tmp_path, tmp_path / "whole")
    draw = random.Random(4)
    for step, how in ((draw.randrange(2, 9), "kill"), (draw.randrange(9, 20), "kill while saving")):
        run = run_script(tmp_path, tmp_path / "cut", step, how)
        assert run.returncode == -signal.SIGKILL, run.stderr
        kept = checkpoints(tmp_path / "cut/training/checkpoints")
        assert (step_of(kept[-1]) if kept else 0) == (step - 1) // 3 * 3
    finish(tmp_path, tmp_path / "cut")
    assert gap(tmp_path / "whole", tmp_path / "cut") < 1e-6


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path):
    """The system refuses to let a file grow, which is how a quota looks to a process."""
    run = run_script(tmp_path, tmp_path / "cut", 5, "full")
    assert run.returncode == 7, run.stderr
    assert "step 6 cannot be written" in run.stdout
    assert "The one of step 3 is whole" in run.stdout
    home = tmp_path / "cut/training/checkpoints"
    assert [step_of(path) for path in checkpoints(home)] == [3]
    assert not (home / ".draft").exists()
    assert not (home / "checkpoint-6").exists()
    finish(tmp_path, tmp_path / "whole")
    finish(tmp_path, tmp_path / "cut")
    assert gap(tmp_path / "whole", tmp_path / "cut") < 1e-6
