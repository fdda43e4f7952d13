import os
import signal
import subprocess
import sys

import pytest
import torch

from trainers import checkpoint, model, optimizer
from trainers.sizes import Size

TINY = Size(layers=1, width=8, heads=2, key_value_heads=1, hidden=16, learning_rate=1e-3)


def pair(seed):
    """A decoder and an optimizer that has taken two steps."""
    decoder = model.build(TINY, vocab_size=11, seed=seed)
    adamw = optimizer.adamw(decoder, learning_rate=1e-2)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(2):
        for parameter in decoder.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        adamw.step()
    return decoder, adamw


def save(run, step, seed, **options):
    return checkpoint.save(str(run), *pair(seed), step=step, about={"plan_sha256": "p"}, **{"keep": 2, **options})


def assert_same(left, right):
    for (name, a), (other, b) in zip(left[0].state_dict().items(), right[0].state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(a, b), name
    a, b = left[1].state_dict(), right[1].state_dict()
    assert a["param_groups"] == b["param_groups"]
    assert a["state"].keys() == b["state"].keys()
    for number, state in a["state"].items():
        assert state.keys() == b["state"][number].keys() == {"step", "exp_avg", "exp_avg_sq"}
        assert all(torch.equal(state[key], b["state"][number][key]) for key in state), number


def test_what_is_loaded_is_what_was_saved(tmp_path):
    path = save(tmp_path, 2, seed=1)
    assert checkpoint.read_about(path)["step"] == 2
    other = pair(seed=2)
    with pytest.raises(AssertionError):
        assert_same(other, pair(seed=1))
    checkpoint.load(path, *other)
    assert_same(other, pair(seed=1))
    # A decoder whose optimizer has not stepped yet, as at a resume.
    fresh = model.build(TINY, vocab_size=11, seed=3)
    adamw = optimizer.adamw(fresh, learning_rate=1e-2)
    checkpoint.load(path, fresh, adamw)
    assert_same((fresh, adamw), pair(seed=1))


def test_the_newest_are_kept(tmp_path):
    for step in (2, 9, 10, 100):
        save(tmp_path, step, seed=1)
    folder = tmp_path / "checkpoints"
    assert sorted(os.listdir(folder)) == ["step-00000010", "step-00000100"]
    assert checkpoint.saved(str(tmp_path)) == {10: f"{folder}/step-00000010", 100: f"{folder}/step-00000100"}


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["fsync", "rename"])
def test_a_kill_while_saving_leaves_the_one_before(tmp_path, moment):
    """`fsync` kills while files are written, `rename` when all are but none has its final name."""
    before = save(tmp_path, 5, seed=1)
    code = f"""
import os, signal
from tests.test_checkpoint import save
os.{moment} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
save({str(tmp_path)!r}, 6, seed=2)
"""
    killed = subprocess.run([sys.executable, "-c", code], check=False, stderr=subprocess.PIPE, text=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert sorted(os.listdir(tmp_path / "checkpoints")) == [".writing-step-00000006", "step-00000005"]

    assert checkpoint.saved(str(tmp_path)) == {5: before}
    checkpoint.remove_unfinished(str(tmp_path))
    assert os.listdir(tmp_path / "checkpoints") == ["step-00000005"]
    other = pair(seed=3)
    checkpoint.load(before, *other)
    assert_same(other, pair(seed=1))
    assert save(tmp_path, 6, seed=2).endswith("step-00000006")


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    save(tmp_path, 5, seed=1)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError) as caught:
        save(tmp_path, 6, seed=1)
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
