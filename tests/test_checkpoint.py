import os
import random
import shutil
import signal
import subprocess
import sys
import threading

import pytest
import torch
from torch import nn

from trainers import checkpoint, checkpoints, optimizer
from trainers.models import decoder
from trainers.models.sizes import Size

TINY = Size(layers=1, width=8, heads=2, key_value_heads=1, hidden=16, learning_rate=1e-3)


def pair(seed, name="adamw"):
    """A decoder and an optimizer that has taken two steps."""
    model = decoder.build(TINY, vocab_size=11, seed=seed)
    steps = optimizer.build(model, name=name, learning_rate=1e-2)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(2):
        for parameter in model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        steps.step()
    steps.zero_grad()
    return model, steps


def save(run, step, seed, *, name="adamw", **options):
    saver = checkpoint.Saver(str(run), *pair(seed, name), **options)
    path = saver.save(step, {"plan_sha256": "p"})
    saver.wait()
    return path


def assert_same(left, right):
    for (name, a), (other, b) in zip(left[0].state_dict().items(), right[0].state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(a, b), name
    for part, other in zip(left[1].parts, right[1].parts, strict=True):
        a, b = part.state_dict(), other.state_dict()
        assert a["param_groups"] == b["param_groups"]
        assert a["state"].keys() == b["state"].keys()
        for number, state in a["state"].items():
            assert state.keys() == b["state"][number].keys()
            assert all(torch.equal(state[key], b["state"][number][key]) for key in state), number


@pytest.mark.parametrize("name", optimizer.NAMES)
def test_what_is_loaded_is_what_was_saved(tmp_path, name):
    path = save(tmp_path, 2, seed=1, name=name)
    assert checkpoints.read_about(path)["step"] == 2
    other = pair(2, name)
    with pytest.raises(AssertionError):
        assert_same(other, pair(1, name))
    checkpoint.load(path, *other)
    assert_same(other, pair(1, name))
    # A decoder whose optimizer has not stepped yet, as at a resume.
    fresh = decoder.build(TINY, vocab_size=11, seed=3)
    steps = optimizer.build(fresh, name=name, learning_rate=1e-2)
    checkpoint.load(path, fresh, steps)
    assert_same((fresh, steps), pair(1, name))


def test_weights_load_alone(tmp_path):
    path = save(tmp_path, 2, seed=1)
    model = decoder.build(TINY, vocab_size=11, seed=3)
    checkpoint.load_weights(path, model)
    expected = pair(1)[0].state_dict()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in model.state_dict().items())


def test_the_newest_are_kept_and_some_for_good(tmp_path):
    for step in (2, 9, 10, 100):
        save(tmp_path, step, seed=1, keep=2)
    folder = tmp_path / "checkpoints"
    assert sorted(os.listdir(folder)) == ["step-00000010", "step-00000100"]
    assert checkpoints.saved(str(tmp_path)) == {10: f"{folder}/step-00000010", 100: f"{folder}/step-00000100"}
    for step in (110, 113, 200, 201):
        save(tmp_path, step, seed=1, keep=1, keep_every=100)
    assert list(checkpoints.saved(str(tmp_path))) == [100, 200, 201]


def test_training_goes_on_while_a_checkpoint_is_written(tmp_path, monkeypatch):
    """It holds the weights of the moment when it was asked for, and has no final name before it is whole."""
    model, steps = pair(1)
    saver = checkpoint.Saver(str(tmp_path), model, steps)
    written = threading.Event()
    rename = os.rename
    monkeypatch.setattr(os, "rename", lambda *names: written.wait() and rename(*names))
    path = saver.save(3, {})
    assert not checkpoints.saved(str(tmp_path))
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    written.set()
    later = saver.save(4, {})  # waits for the one before
    assert os.path.isdir(path)
    saver.wait()
    found = pair(2)
    checkpoint.load(path, *found)
    assert_same(found, pair(1))
    checkpoint.load(later, *found)
    assert not any(parameter.any() for parameter in found[0].parameters())


def save_and_be_killed(run, moment):
    """Saves step 6 in place of 5 in a child that kills itself at the moment; True if it was in time.

    The moment is the number of a call that changes the disk, or a time in seconds.
    """
    if child := os.fork():
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])
    calls = 0

    def kills(call):
        def counted(*args, **options):
            nonlocal calls
            calls += 1
            if calls == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **options)

        return counted

    if isinstance(moment, float):
        signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        signal.setitimer(signal.ITIMER_REAL, moment)
    for name in ("fsync", "rename", "unlink", "rmdir", "mkdir"):
        setattr(os, name, kills(getattr(os, name)))
    save(run, 6, seed=6, keep=1)
    os._exit(0)


def kill_at_all_moments(run):
    """Prints how many moments were tried; what is left must load, and be that of its step."""
    torch.set_num_threads(1)
    before = save(f"{run}/before", 5, seed=5)
    generator = random.Random(1)
    moments = [*range(1, 100), *(generator.uniform(0.001, 0.04) for _ in range(10))]
    steps, tried = [], 0
    while moments:
        moment = moments.pop(0)
        shutil.copytree(f"{run}/before", f"{run}/now")
        killed = save_and_be_killed(f"{run}/now", moment)
        tried += killed
        left = checkpoints.saved(f"{run}/now")
        newest = max(left)
        steps.append(newest)
        for step, path in left.items():
            found = pair(1)
            checkpoint.load(path, *found)
            assert_same(found, pair(step))
        checkpoint.remove_unfinished(f"{run}/now")
        assert len(os.listdir(f"{run}/now/checkpoints")) == len(left)
        shutil.rmtree(f"{run}/now")
        if not killed and isinstance(moment, int):
            moments = [other for other in moments if isinstance(other, float)]
    assert os.path.isdir(before)
    print(tried, sorted(set(steps)))


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_a_whole_checkpoint(tmp_path):
    """In a process of its own that forks: a child costs milliseconds, and the import of torch seconds."""
    code = f"from tests.test_checkpoint import *; kill_at_all_moments({str(tmp_path)!r})"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    tried, steps = done.stdout.split(" ", 1)
    assert int(tried) > 8
    assert steps.strip() == "[5, 6]"


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    save(tmp_path, 5, seed=1)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as caught:
        save(tmp_path, 6, seed=1)  # in `wait`
    assert str(caught.value) == (
        f"cannot write the checkpoint {tmp_path}/checkpoints/step-00000006: No space left on device; "
        "the one of step 5 is whole; make room or mend the permissions, then start again with --resume"
    )
    assert os.listdir(tmp_path / "checkpoints") == ["step-00000005"]


def test_a_damaged_checkpoint_is_refused(tmp_path):
    save(tmp_path, 5, seed=1)
    path = save(tmp_path, 6, seed=1)
    file = f"{path}/__0_0.distcp"
    with open(file, "r+b") as opened:
        opened.seek(os.path.getsize(file) // 2)
        byte = opened.read(1)[0]
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([byte ^ 1]))
    with pytest.raises(ValueError, match="is damaged: its sha256 is") as caught:
        checkpoint.load(path, *pair(seed=1))
    assert str(caught.value).startswith(f"{file} is damaged: ")
    assert str(caught.value).endswith("remove that folder and run --resume again to continue from step 5")


def test_a_checkpoint_without_its_description_is_refused(tmp_path):
    path = save(tmp_path, 6, seed=1)
    os.remove(f"{path}/about.json")
    with pytest.raises(ValueError, match=r"is not a whole checkpoint .* to continue from the beginning"):
        checkpoint.load(path, *pair(seed=1))


def test_a_folder_that_cannot_be_made_is_one_sentence_at_once(tmp_path):
    (tmp_path / "checkpoints").write_text("a file in its place")
    saver = checkpoint.Saver(str(tmp_path), *pair(1))
    with pytest.raises(OSError, match=r"cannot write the checkpoint .*: File exists; no checkpoint was saved before"):
        saver.save(6, {})
