"""The one shape of a stage: tasks over files, spread over the workers, round after round."""

import dataclasses
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import apache_beam as beam

from curation import storage
from curation.remote.access import Access
from pipelines import exchange

# All that is ever shuffled: for a partition, the number of a channel, the name of a sender, and packed records.
_PIECE = tuple[int, tuple[int, str, bytes]]
_TASKS = -1  # the channel that brings each task to its own partition


@dataclasses.dataclass(frozen=True)
class Round:
    """Tasks that may run side by side, once the round before is over.

    A task receives the partition of its `number`, or of itself where it is an int.
    """

    name: str
    tasks: Sequence[Any]
    work: Callable[[Any], int]  # reads and writes its own files; returns how many rows it wrote
    sends: tuple[str, ...] = ()  # channels of the exchange that the runner's shuffle may carry; all others are files
    receives: tuple[str, ...] = ()  # channels, each sent by one of the rounds before, or there as files


@dataclasses.dataclass
class RunTasks(beam.PTransform):  # type: ignore[misc]
    """Runs `work(task)` for every task, spread over the workers; yields what it returns, and what it sends.

    A task reads and writes its own files, so nothing but its name, a count and packed records crosses a shuffle.
    """

    work: Callable[[Any], int]
    access: Access
    sends: Mapping[str, int]  # numbers of channels
    receives: Mapping[str, int]

    def expand(self, pieces: Any) -> Any:
        """The grouping keeps a runner from fusing the list and its work into one worker's bundle."""
        tags = [f"channel-{number}" for number in self.sends.values()]
        do = beam.ParDo(_Do(self.work, self.access, self.sends, self.receives))
        do = do.with_output_types(int, **dict.fromkeys(tags, _PIECE)).with_outputs(*tags, main="rows")
        outputs = pieces | beam.Flatten() | beam.GroupByKey() | do
        return outputs["rows"], *(outputs[tag] for tag in tags)


@dataclasses.dataclass
class _Do(beam.DoFn):  # type: ignore[misc]
    work: Callable[[Any], int]
    access: Access
    sends: Mapping[str, int]
    receives: Mapping[str, int]

    def process(self, element: tuple[int, Iterable[tuple[int, str, bytes]]]) -> Iterator[Any]:
        """Runs the task of a partition, if any: where it was made before, none is left for what was sent to it."""
        storage.use(self.access)  # a worker process has heard nothing of the command line
        partition, pieces = element
        found: dict[int, dict[str, bytes]] = {number: {} for number in (_TASKS, *self.receives.values())}
        for number, sender, content in pieces:
            assert sender not in found[number], (partition, sender)
            found[number][sender] = content
        for task in map(pickle.loads, found[_TASKS].values()):
            received = {channel: found[number] for channel, number in self.receives.items()}
            mailbox = exchange.Mailbox(partition, received, tuple(self.sends))
            with exchange.shuffled(mailbox):
                rows = self.work(task)
            yield rows
            for channel, sender, receiver, content in mailbox.sent:
                number = self.sends[channel]
                yield beam.pvalue.TaggedOutput(f"channel-{number}", (receiver, (number, sender, content)))


def build(pipeline: beam.Pipeline, rounds: Sequence[Round], access: Access, *, shuffle: bool = False) -> None:
    """Adds the rounds to a pipeline, each waiting for the one before.

    With `shuffle` a channel goes from the round that sends it to all that receive it through the runner, else by file.
    """
    rows, before = None, ""
    sent: dict[str, Any] = {}  # by channel, in the order of their numbers
    for step in rounds:
        if not step.tasks:
            continue
        packed = [(_number(task), (_TASKS, "", pickle.dumps(task))) for task in step.tasks]
        assert len(dict(packed)) == len(packed), step.name
        tasks = pipeline | f"List {step.name}" >> beam.Create(packed, reshuffle=False).with_output_types(_PIECE)
        if rows is not None:
            done = beam.pvalue.AsSingleton(rows | f"Count {before}" >> beam.CombineGlobally(sum))
            tasks = tasks | f"Await {step.name}" >> beam.Map(_after, done).with_output_types(_PIECE)
        receives = {channel: number for number, channel in enumerate(sent) if channel in step.receives}
        sends = {channel: number for number, channel in enumerate(step.sends if shuffle else (), len(sent))}
        assert not sent.keys() & sends.keys(), step.name
        run = RunTasks(step.work, access, sends, receives)
        rows, *outputs = (tasks, *(sent[channel] for channel in receives)) | step.name >> run
        sent |= zip(sends, outputs, strict=True)
        before = step.name


def _number(task: Any) -> int:
    return int(getattr(task, "number", task))


def _after(piece: Any, _: Any) -> Any:
    return piece
