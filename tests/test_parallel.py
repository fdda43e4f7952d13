import contextlib
import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict
from torch.nn import functional

from trainers import catalog, checkpoint, checkpoints, loop, optimizer, parallel
from trainers.guard import Guard
from trainers.models import decoder
from trainers.models.sizes import Size
from trainers.row import Row
from trainers.specials import Specials

WIDER = Size(layers=2, width=32, heads=4, key_value_heads=4, hidden=48, learning_rate=1e-3)
TINY = Size(layers=2, width=16, heads=2, key_value_heads=1, hidden=24, learning_rate=1e-3)
VOCAB_SIZE = 23
STEPS = 4  # of them SAVED before a checkpoint
SAVED = 2
ROWS = 8  # a step
WAYS = [("ddp", "adamw"), ("fsdp", "adamw"), ("ddp", "muon"), ("fsdp", "muon")]


def rows(step):
    """Inputs, segments and positions int (8, 6) of a step, and its targets: fewer from row to row and rank to rank."""
    generator = np.random.default_rng(step)
    tokens = torch.from_numpy(generator.integers(0, VOCAB_SIZE, (ROWS, 7)))
    segments = torch.tensor([0, 0, 0, 1, 1, 1]).expand(ROWS, 6)
    positions = torch.tensor([0, 1, 2, 0, 1, 2]).expand(ROWS, 6)
    scored = torch.arange(6) < torch.tensor([6, 6, 6, 5, 4, 3, 2, 1])[:, None]
    return tokens[:, :-1], segments, positions, torch.where(scored, tokens[:, 1:], -100)


def take(model, steps, world, *, first, last, passes=2, precision="float32"):
    """Takes steps as the loop does; returns what each rank knows of them: loss and gradient norm."""
    told = []
    for step in range(first, last + 1):
        # The first rank has the first rows, and with them most of the targets.
        mine = [part.tensor_split(world.size)[world.rank] for part in rows(step)]
        counts = parallel.total({"targets": int((mine[3] != -100).sum())}, world)
        loss = 0.0
        for number, (inputs, segments, positions, targets) in enumerate(
            zip(*(part.tensor_split(passes) for part in mine), strict=True), 1
        ):
            with parallel.synchronized(model, last=number == passes):
                with parallel.precision_context(world, precision):
                    logits = model(inputs=inputs, segments=segments, positions=positions)
                nats = functional.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="sum")
                (nats / counts["targets"]).backward()
            loss += float(nats.detach())
        norm = parallel.clip(model, 1.0)
        steps.step()
        steps.zero_grad()
        told.append([parallel.total({"loss": loss}, world)["loss"] / counts["targets"], norm])
    return told


def made(world, *, strategy="none", name="adamw", **options):
    model = decoder.build(TINY, vocab_size=VOCAB_SIZE, seed=3)
    model = parallel.wrap(model, world, strategy=strategy, **options)
    return model, optimizer.build(model, name=name, learning_rate=1e-2)


def weights(model):
    """All weights on the CPU, whole, by name."""
    return get_model_state_dict(model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))


def work(folder):
    """What each of two ranks does: writes what it learned as JSON, and weights and checkpoints."""
    torch.set_num_threads(1)
    world = parallel.start("cpu")
    told = {"gathered": parallel.gather([world.rank], world), "heard": parallel.broadcast(world.rank, world)}
    for strategy, name in WAYS:
        way = f"{strategy}-{name}"
        model, steps = made(world, strategy=strategy, name=name)
        saver = checkpoint.Saver(f"{folder}/{way}", model, steps, world=world)
        told[way] = take(model, steps, world, first=1, last=SAVED)
        saver.save(SAVED, {"way": way})  # written while the next steps are taken
        told[way] += take(model, steps, world, first=SAVED + 1, last=STEPS)
        saver.wait()
        found = weights(model)
        if world.rank == 0:
            torch.save(found, f"{folder}/{way}.pt")
    for source in ("alone", "ddp-adamw", "fsdp-adamw"):
        for strategy in ("ddp", "fsdp"):
            model, steps = made(world, strategy=strategy)
            checkpoint.load(checkpoints.saved(f"{folder}/{source}")[SAVED], model, steps, world=world)
            told[f"{strategy} from {source}"] = take(model, steps, world, first=SAVED + 1, last=STEPS)
    model, steps = made(world, strategy="fsdp", checkpoint_activations=True)
    told["recomputed"] = take(model, steps, world, first=1, last=STEPS)
    model, steps = made(world, strategy="fsdp", precision="bfloat16", checkpoint_activations=True)
    told["bfloat16"] = take(model, steps, world, first=1, last=STEPS, precision="bfloat16")
    for name in catalog.OBJECTIVES:
        for strategy in ("ddp", "fsdp"):
            told[f"{strategy} {name}"] = learn(name, world, strategy=strategy, checkpoint_activations=True)
    told.update(failures(folder, world))
    Path(f"{folder}/rank{world.rank}.json").write_text(json.dumps(told))
    parallel.stop(world)


@dataclasses.dataclass(frozen=True)
class Asked:
    """What an objective asks of a run's settings."""

    sequence_length: int = 32
    mask_rate: float = 0.2
    whole_words: bool = False
    seed: int = 1


def row(number):
    """A row of 32 tokens of three documents."""
    tokens = np.random.default_rng(number).integers(2, 90, 32).astype(np.uint16)
    return Row(0, number, before=0, tokens=tokens, edges=np.array([0, 9, 20, 32]), documents=np.array([0, 1, 2]))


def learn(name, world, **options):
    """Takes two steps of an objective, as the loop does; returns the sum of each term and the gradient norm."""
    entry = catalog.OBJECTIVES[name]
    specials = Specials(0, 1, tuple(range(90, 100)), np.ones(100, bool))
    objective = entry.objective(Asked(), catalog.Vocabulary(100, specials, lambda: np.arange(100) + 1))
    model = entry.build(WIDER, vocab_size=100, sequence_length=32, seed=1)
    model = parallel.wrap(model, world, **options)
    steps = optimizer.build(model, name="adamw", learning_rate=1e-2)
    trainee = loop.Trainee(model, steps, objective, Guard(), world, "float32")
    told = []
    for step in (1, 2):
        batch = objective.batch([row(8 * step + i) for i in range(8)][world.rank :: world.size])
        sums, _ = loop.backward(trainee, batch, parallel.total(batch.num_targets, world), micro_rows=2)
        told.append([*parallel.total(sums, world).values(), parallel.clip(model, 1.0)])
        steps.step()
        steps.zero_grad()
    return told


def failures(folder, world):
    """What both ranks are told where one cannot write or read."""
    told = {}
    model, steps = made(world, strategy="fsdp")
    saver = checkpoint.Saver(f"{folder}/full", model, steps, world=world)
    if world.rank == 1:
        real, os.fsync = os.fsync, full
    saver.save(1, {})
    with pytest.raises(OSError) as caught:
        saver.wait()
    if world.rank == 1:
        os.fsync = real
    told["full"] = [str(caught.value), os.listdir(f"{folder}/full/checkpoints")]
    path = saver.save(2, {})
    saver.wait()
    if world.rank == 0:
        with open(f"{path}/__1_0.distcp", "ab") as file:
            file.write(b"\0")
    parallel.gather_all(0, world)
    with pytest.raises(ValueError, match=r"__1_0\.distcp is damaged") as damaged:
        checkpoint.load(path, model, steps, world=world)
    told["damaged"] = str(damaged.value)
    with pytest.raises(ValueError, match="2 ranks would each train a model of their own"):
        parallel.check(world, strategy="none", precision="float32")
    return told


def full(_):
    raise OSError(28, "No space left on device")


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """What one process is told, by optimizer; its checkpoint lies in the folder `alone`."""
    folder = tmp_path_factory.mktemp("ranks")
    with one_thread():
        told = {}
        for name in ("adamw", "muon"):
            model, steps = made(parallel.ALONE, name=name)
            told[name] = take(model, steps, parallel.ALONE, first=1, last=SAVED, passes=1)
            if name == "adamw":
                saver = checkpoint.Saver(f"{folder}/alone", model, steps)
                saver.save(SAVED, {})
                saver.wait()
            told[name] += take(model, steps, parallel.ALONE, first=SAVED + 1, last=STEPS, passes=1)
            torch.save(weights(model), folder / f"none-{name}.pt")
    return folder, told


@pytest.fixture(scope="module")
def ranks(alone):
    """What two ranks are told."""
    folder, _ = alone
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    command = [sys.executable, *launch, "-m", "tests.test_parallel", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return [json.loads((folder / f"rank{rank}.json").read_text()) for rank in (0, 1)]


@contextlib.contextmanager
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.slow
@pytest.mark.parametrize(("strategy", "name"), WAYS)
def test_two_ranks_learn_what_one_does(alone, ranks, strategy, name):
    """With unequally many targets and two passes a rank: gradients are summed over the ranks, and weighed right."""
    folder, told = alone
    assert ranks[0][f"{strategy}-{name}"] == ranks[1][f"{strategy}-{name}"]
    # Muon orthogonalizes in bfloat16, and sums parts of matrices in another order where they are sharded.
    rough = {"rtol": 2e-3, "atol": 2e-3} if name == "muon" else {"rtol": 1e-5, "atol": 1e-5}
    torch.testing.assert_close(torch.tensor(ranks[0][f"{strategy}-{name}"]), torch.tensor(told[name]), **rough)
    found = torch.load(folder / f"{strategy}-{name}.pt")
    torch.testing.assert_close(found, torch.load(folder / f"none-{name}.pt"), **rough)


@pytest.mark.slow
@pytest.mark.parametrize("source", ["alone", "ddp-adamw", "fsdp-adamw"])
def test_a_checkpoint_goes_on_with_any_ranks(alone, ranks, source):
    folder, told = alone
    expected = torch.tensor(told["adamw"][SAVED:])
    for strategy in ("ddp", "fsdp"):
        found = ranks[0][f"{strategy} from {source}"]
        torch.testing.assert_close(torch.tensor(found), expected, rtol=1e-5, atol=1e-5)
        if source.startswith(strategy):  # to the bit
            assert found == ranks[0][source][SAVED:]
    with one_thread():
        model, steps = made(parallel.ALONE)
        path = checkpoints.saved(f"{folder}/{source}")[SAVED]
        checkpoint.load(path, model, steps)
        found = torch.tensor(take(model, steps, parallel.ALONE, first=SAVED + 1, last=STEPS))
        torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
        other = decoder.build(TINY, vocab_size=VOCAB_SIZE, seed=9)
        checkpoint.load_weights(path, other)
        checkpoint.load(path, model, steps)
        assert all(torch.equal(tensor, model.state_dict()[name]) for name, tensor in other.state_dict().items())


@pytest.mark.slow
def test_recomputed_activations_change_nothing_and_bfloat16_little(alone, ranks):
    _, told = alone
    assert ranks[0]["recomputed"] == ranks[0]["fsdp-adamw"]
    torch.testing.assert_close(torch.tensor(ranks[0]["bfloat16"]), torch.tensor(told["adamw"]), rtol=0.1, atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize("name", catalog.OBJECTIVES)
def test_two_ranks_learn_every_objective_as_one_does(ranks, name):
    with one_thread():
        expected = torch.tensor(learn(name, parallel.ALONE))
    for strategy in ("ddp", "fsdp"):
        torch.testing.assert_close(torch.tensor(ranks[0][f"{strategy} {name}"]), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.slow
def test_ranks_talk(ranks):
    assert [told["gathered"] for told in ranks] == [[[0], [1]], []]
    assert [told["heard"] for told in ranks] == [0, 0]


@pytest.mark.slow
def test_a_fault_of_one_rank_is_told_to_both(ranks):
    sentence, left = ranks[0]["full"]
    assert sentence == ranks[1]["full"][0]
    assert "step-00000001: No space left on device; no checkpoint was saved before; make room" in sentence
    assert left == []  # rank 0 has swept
    assert ranks[0]["damaged"] == ranks[1]["damaged"]


@pytest.mark.parametrize("compile", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_checkpointed_activations_and_compiled_blocks_compute_the_same(compile):
    with one_thread():
        plain, plain_steps = made(parallel.ALONE)
        model, steps = made(parallel.ALONE, checkpoint_activations=True, compile=compile)
        assert [name for name, _ in model.named_parameters()] == [name for name, _ in plain.named_parameters()]
        expected = torch.tensor(take(plain, plain_steps, parallel.ALONE, first=1, last=2, passes=1))
        found = torch.tensor(take(model, steps, parallel.ALONE, first=1, last=2, passes=1))
    torch.testing.assert_close(found, expected, rtol=1e-5 if compile else 0, atol=1e-5 if compile else 0)


def test_blocks_are_what_the_outermost_lists_hold():
    model = decoder.build(TINY, vocab_size=VOCAB_SIZE, seed=3)
    assert parallel.blocks(model) == list(model.model.layers)
    assert parallel.blocks(torch.nn.Linear(2, 2)) == []


def test_what_cannot_work_is_refused_before_any_step(monkeypatch):
    with pytest.raises(ValueError, match="--parallel fsdp needs the ranks of torchrun, found one process"):
        made(parallel.ALONE, strategy="fsdp")
    gpu = parallel.World(device=torch.device("cuda", 0))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: including_emulation)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Tesla T4")
    with pytest.raises(ValueError, match="Tesla T4 does not compute in bfloat16; give --precision float32"):
        parallel.check(gpu, strategy="none", precision="bfloat16")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setenv("LOCAL_RANK", "1")
    with pytest.raises(ValueError, match="rank 0 needs GPU 1 and torch finds 1 here; lower torchrun's"):
        parallel.start("cuda")


if __name__ == "__main__":
    work(sys.argv[1])
