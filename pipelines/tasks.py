"""The one shape of a stage: tasks over files, spread over the workers, round after round."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam

from curation import storage
from curation.remote.access import Access


@dataclasses.dataclass(frozen=True)
class Round:
    """Tasks that may run side by side, once the round before is over."""

    name: str
    tasks: Sequence[Any]
    work: Callable[[Any], int]  # reads and writes its own files; returns how many rows it wrote


@dataclasses.dataclass
class RunTasks(beam.PTransform):  # type: ignore[misc]
    """Runs `work(task)` for every task, spread over the workers; yields what it returns.

    A task reads and writes its own files, so nothing but its name and a count crosses a shuffle.
    """

    work: Callable[[Any], int]
    access: Access

    def expand(self, tasks: Any) -> Any:
        """The Reshuffle keeps a runner from fusing the list and its work into one worker's bundle."""
        return tasks | beam.Reshuffle() | beam.Map(_do, self.work, self.access).with_output_types(int)


def build(pipeline: beam.Pipeline, rounds: Sequence[Round], access: Access) -> None:
    """Adds the rounds to a pipeline, each waiting for the one before."""
    rows, before = None, ""
    for step in rounds:
        if not step.tasks:
            continue
        tasks = pipeline | f"List {step.name}" >> beam.Create(list(step.tasks), reshuffle=False)
        if rows is not None:
            done = rows | f"Count {before}" >> beam.CombineGlobally(sum)
            tasks = tasks | f"Await {step.name}" >> beam.Map(_after, beam.pvalue.AsSingleton(done))
        rows, before = tasks | step.name >> RunTasks(step.work, access), step.name


def _do(task: Any, work: Callable[[Any], int], access: Access) -> int:
    storage.use(access)  # a worker process has heard nothing of the command line
    return work(task)


def _after(task: Any, _: Any) -> Any:
    return task
