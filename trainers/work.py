"""What a run is to do, settled before anything is spent on it."""

import argparse
import dataclasses
import functools
import os
import shutil

from trainers import catalog, checkpoint, identity, parallel, reading, tombstones, validation
from trainers import run as runs
from trainers.admit import admit
from trainers.batches import Rows, counted
from trainers.objectives.objective import Objective
from trainers.reading import Data
from trainers.settings import Settings


@dataclasses.dataclass(frozen=True)
class Work:
    """What a run is to do, before anything is spent on it."""

    run: runs.Run
    data: Data
    rows: Rows
    objective: Objective
    held_out: validation.Validation | None


def prepare(args: argparse.Namespace, settings: Settings, recorded: runs.Run | None, world: parallel.World) -> Work:
    """Admits the corpora and plans the run; ValueError where they are not fit for the settings."""
    contents = world.local_rank == 0  # one rank of a machine reads every byte of the shards
    if recorded:
        data = reading.data_of_run(recorded, args.output, args.corpus or (), contents=contents)
    else:
        data = reading.data_of([admit(path, contents=contents) for path in args.corpus], settings)
    run = identity.of(data, settings)
    rows = Rows(
        data.stream,
        num_tokens=run.plan.num_tokens,
        sequence_length=run.plan.sequence_length,
        end_of_text_id=run.end_of_text_id,
        vocab_size=run.vocab_size,
    )
    counts = functools.partial(counted, data.stream, run.vocab_size)
    vocabulary = catalog.Vocabulary(run.vocab_size, data.corpora[0].specials, counts)
    held_out = validation.choose(
        data.corpora, sequence_length=settings.sequence_length, max_rows=settings.validation_rows
    )
    return Work(run, data, rows, catalog.objective_of(settings, vocabulary), held_out)


def begin(folder: str, run: runs.Run, recorded: runs.Run | None, data: Data) -> None:
    """Writes what a new run is, or removes what a killed one left."""
    if recorded:
        identity.warn_of_changes(run, recorded)
        checkpoint.remove_unfinished(folder)
        runs.remove_unfinished(folder)
        return
    if not runs.is_unused(folder):
        raise ValueError(f"another process has just started a run in {folder}; choose another --output")
    shutil.copyfile(os.path.join(data.corpora[0].path, runs.TOKENIZER), os.path.join(folder, runs.TOKENIZER))
    files = []
    for corpus in data.corpora:  # only what was admitted: one that was added since is of the next run
        entries = tombstones.load(os.path.join(corpus.path, tombstones.NAME))
        files.append(tuple(entry for entry in entries if entry.id in corpus.tombstones))
    tombstones.write(os.path.join(folder, runs.TOMBSTONES), tombstones.joined(files))
    run.write(folder)
