import collections
import os

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainers import ledger
from trainers.ledger import DocumentLosses, Ledger
from trainers.objectives.objective import Batch
from trainers.row import IGNORED, NOBODY, Row


def made_batch(generator, *, num_rows, length, num_documents):
    """Rows of pieces of documents at random, some positions without a target, and losses."""
    documents, owners, targets = [], [], []
    for _ in range(num_rows):
        edges = np.unique([0, *generator.integers(1, length + 1, 3)])
        owner = np.full(length, NOBODY)
        owner[: edges[-1]] = np.repeat(np.arange(len(edges) - 1), np.diff(edges))
        documents.append(generator.integers(0, num_documents, len(edges) - 1))
        owners.append(owner)
        targets.append(np.where((owner == NOBODY) | (generator.random(length) < 0.3), IGNORED, 7))
    losses = torch.from_numpy(generator.exponential(3, (num_rows, length)).astype(np.float32))
    targets = torch.from_numpy(np.stack(targets))
    return torch.where(targets == IGNORED, 0, losses), targets, torch.from_numpy(np.stack(owners)).int(), documents


@given(st.integers(0, 2**32), st.integers(1, 5), st.integers(1, 12), st.integers(1, 6))
@settings(max_examples=60, deadline=None)
def test_the_losses_of_documents_are_those_of_the_batch(seed, num_rows, length, num_documents):
    """Against a loop over all targets."""
    made = made_batch(np.random.default_rng(seed), num_rows=num_rows, length=length, num_documents=num_documents)
    losses, targets, owners, documents = made
    sums, counts = collections.Counter(), collections.Counter()
    for row in range(num_rows):
        for place in range(length):
            if targets[row, place] != IGNORED:
                document = int(documents[row][owners[row, place]])
                sums[document] += float(losses[row, place])
                counts[document] += 1

    found = ledger.document_losses(losses, targets, owners, documents)
    assert found.occurrences.tolist() == sorted(sums)
    assert dict(zip(found.occurrences.tolist(), found.targets.tolist(), strict=True)) == counts
    assert found.losses == pytest.approx([sums[document] for document in sorted(sums)], rel=1e-12)
    assert found.losses.sum() == pytest.approx(float(losses.double().sum()), rel=1e-12)
    assert (found.targets.dtype, found.losses.dtype) == (np.int32, np.float64)


def test_each_term_has_its_own_targets():
    row = Row(0, 0, 9, np.arange(4, dtype=np.uint16), np.array([0, 2, 4]), np.array([5, 3]))
    owners = torch.tensor([[0, 0, 1, 1]], dtype=torch.int32)
    targets = {
        "generator": torch.tensor([[IGNORED, 1, IGNORED, IGNORED]]),
        "discriminator": torch.tensor([[0, 1, 0, 0]]),
    }
    batch = Batch(inputs={}, targets=targets, owners={"generator": owners, "discriminator": owners})
    losses = {"generator": torch.tensor([[0.0, 2, 0, 0]]), "discriminator": torch.tensor([[0.5, 0.25, 1, 1]])}
    found = ledger.by_document([row], batch, losses)
    assert [found["generator"].occurrences.tolist(), found["generator"].losses.tolist()] == [[5], [2]]
    assert found["discriminator"].occurrences.tolist() == [3, 5]
    assert found["discriminator"].losses.tolist() == [2, 0.75]


def losses_of(step, *, rank=0, world=1):
    """What a rank adds in a step: a document is read by every rank, and the others by one."""
    occurrences = np.array([0, *range(10 * step + rank, 10 * step + 7, world)])
    generator = np.random.default_rng([step, rank])
    targets = generator.integers(1, 50, len(occurrences)).astype(np.int32)
    losses = {"loss": DocumentLosses(occurrences, targets, generator.exponential(3, len(occurrences)) * targets)}
    return {**losses, "other": DocumentLosses(occurrences[:1], targets[:1], np.array([1.0 * step]))}


def write(run, *, first, last, every, rank=0, world=1):
    book = Ledger(run, step=first - 1, rank=rank, world=world)
    for step in range(first, last + 1):
        book.add(step, losses_of(step, rank=rank, world=world))
        if step % every == 0:
            book.close_file()
    return book


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 9)), max_size=4))
@settings(max_examples=12, deadline=None)
def test_the_ledger_of_an_interrupted_run_is_that_of_a_whole_one(tmp_path_factory, stops):
    """Killed after any step, and resumed from any checkpoint before it, such as where the newest one is damaged."""
    folder = tmp_path_factory.mktemp("runs")
    write(f"{folder}/whole", first=1, last=30, every=30)
    done = 0
    for stop, every in stops:
        write(f"{folder}/stopped", first=done + 1, last=max(stop, done), every=every)
        done = max(stop, done) // every * every
        done = max(done - every, 0) if stop % 2 else done
    write(f"{folder}/stopped", first=done + 1, last=30, every=6)
    expected = ledger.read(f"{folder}/whole")
    assert ledger.read(f"{folder}/stopped").combine_chunks() == expected.combine_chunks()
    assert expected.schema.equals(ledger.SCHEMA)
    steps, terms = expected["step"].to_pylist(), expected["term"].to_pylist()
    assert list(zip(steps, terms, strict=True)) == [
        (step, term) for step in range(1, 31) for term, found in losses_of(step).items() for _ in found.occurrences
    ]


def test_some_steps_can_be_read_alone(tmp_path):
    book = write(tmp_path, first=1, last=20, every=6)
    assert len(os.listdir(tmp_path / "ledger")) == 3
    whole = ledger.read(tmp_path)
    assert set(whole["step"].to_pylist()) == set(range(1, 19))
    assert set(ledger.read(tmp_path, first=5, last=7)["step"].to_pylist()) == {5, 6, 7}
    assert set(book.rows(17, 19)["step"].to_pylist()) == {17, 18, 19}  # two of them on disk
    assert book.rows(17, 19)["step"].to_pylist().count(17) == 9  # eight documents, one of them in two terms
    book.rewind(17)
    assert set(ledger.read(tmp_path)["step"].to_pylist()) == set(range(1, 18))


def totals(run):
    found = ledger.read(run).group_by(["step", "term"]).aggregate([("targets", "sum"), ("loss", "sum")])
    return sorted(map(tuple, (row.values() for row in found.to_pylist())))


def test_ranks_write_their_own_files_and_another_number_of_them_goes_on(tmp_path):
    for rank in range(4):
        write(tmp_path, first=1, last=12, every=6, rank=rank, world=4)
    assert ledger.read(tmp_path)["step"].to_pylist() == sorted(ledger.read(tmp_path)["step"].to_pylist())
    expected = collections.Counter()
    for step in range(1, 9):
        for rank in range(4):
            for term, found in losses_of(step, rank=rank, world=4).items():
                expected[step, term] += found.losses.sum()
    for rank in range(2):  # resumed after step 8 by half as many
        Ledger(tmp_path, step=8, rank=rank, world=2)
    assert {(step, term): loss for step, term, _, loss in totals(tmp_path)} == pytest.approx(expected)

    parts = [losses_of(3, rank=rank, world=4)["loss"] for rank in range(4)]
    merged = ledger.merged(parts)
    assert merged.occurrences.tolist() == [0, *range(30, 37)]
    assert merged.losses[0] == pytest.approx(sum(part.losses[0] for part in parts))
    assert merged.targets.sum() == sum(part.targets.sum() for part in parts)


def test_memory_is_bounded_between_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setattr(ledger, "_MOST_ROWS", 20)
    write(tmp_path / "small", first=1, last=30, every=30)
    assert len(os.listdir(tmp_path / "small/ledger")) > 5
    Ledger(tmp_path / "small", step=22)
    monkeypatch.undo()
    write(tmp_path / "whole", first=1, last=22, every=22)
    assert ledger.read(tmp_path / "small").combine_chunks() == ledger.read(tmp_path / "whole").combine_chunks()


def test_what_a_kill_leaves_is_not_read(tmp_path):
    write(tmp_path, first=1, last=6, every=6)
    (tmp_path / "ledger/.writing-steps-00000007-00000009-rank-0000.arrow-1f").write_bytes(b"half of it")
    assert ledger.read(tmp_path)["step"].to_pylist()[-1] == 6


def test_a_run_without_a_ledger_is_one_sentence(tmp_path):
    assert not ledger.exists(tmp_path)
    with pytest.raises(ValueError, match=r"has no ledger of losses: .*/ledger holds no file; one is written at each "):
        ledger.read(tmp_path)


@pytest.mark.parametrize("content", [b"", b"ARROW1\0\0 and then nothing"])
def test_a_damaged_file_is_one_sentence(tmp_path, content):
    write(tmp_path, first=1, last=6, every=6)
    (name,) = os.listdir(tmp_path / "ledger")
    (tmp_path / "ledger" / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} is not a file of a ledger \(.*\); remove it: only the losses of"):
        ledger.read(tmp_path)
