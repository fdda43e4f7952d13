"""Follows a run step by step: prints, logs, measures, validates, saves, and goes back where the guard says so."""

import contextlib
import dataclasses
import shlex
import signal
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

from trainers import checkpoint, checkpoints, dossier, ledger, loop, parallel, report, schedule, scores, validation
from trainers.batches import Loader, prefetched
from trainers.log import Log
from trainers.meter import Meter
from trainers.objectives.objective import Batch
from trainers.reading import Data
from trainers.row import Row
from trainers.run import Run

_NEAR = 100  # steps whose losses those of a bad step are compared with


class DivergedError(ArithmeticError):
    """A step is not to be learned from, and there is no checkpoint to go back to; the weights are those before it."""

    def __init__(self, step: int, what: str) -> None:
        super().__init__(what)
        self.step = step


@dataclasses.dataclass(frozen=True)
class Habits:
    """What may be another each time a run is continued."""

    folder: str
    checkpoint_every: int  # steps
    stop_after: int | None  # step
    write: Callable[[str, int, dict[str, Any]], None]  # kind, step and numbers of an event: to TensorBoard, if anywhere


@dataclasses.dataclass
class Follower:
    """One rank of a run."""

    run: Run
    data: Data
    trainee: loop.Trainee
    held_out: validation.Validation | None
    loader: Loader
    saver: checkpoint.Saver
    meter: Meter
    habits: Habits
    seconds: float = 0.0  # of the steps taken since the start or the resume
    taken: int = 0

    @property
    def leads(self) -> bool:
        """Whether this rank prints and logs."""
        return self.trainee.world.rank == 0

    def take(self, done: int) -> int:
        """Takes the steps after `done` until the last one, --stop-after or a signal; returns the exit code."""
        folder, world = self.habits.folder, self.trainee.world
        with contextlib.ExitStack() as stack:
            interrupted = stack.enter_context(interruption())
            log = stack.enter_context(Log(folder, step=done)) if self.leads else None
            losses = ledger.Ledger(folder, step=done, rank=world.rank, world=world.size)
            if not done:
                self.validate(0, log)
            while True:
                with contextlib.closing(self.steps(done)) as steps:
                    for step, scored in steps:
                        found = ledger.by_document(scored.rows, scored.batch, scored.losses)
                        losses.add(step.step, found)
                        self.tell(step, log)
                        if step.verdict.action != "ok":
                            self.explain(step, found, losses)
                        if step.verdict.action == "restore":
                            done = self.go_back(step, losses)
                            if self.is_over(done, stop=False, log=log, losses=losses):
                                return 0
                            break
                        stop = bool(parallel.total({"stop": len(interrupted)}, world)["stop"])
                        if self.is_over(step.step, stop=stop, log=log, losses=losses):
                            return 128 + interrupted[0] if stop and interrupted else 0
                    else:
                        return 0

    def steps(self, done: int) -> Generator[tuple[loop.Step, loop.Scored]]:
        """The steps of the loop after `done`."""
        settings = self.run.settings
        numbers = range(done + 1, settings.steps + 1)

        def batches() -> Iterator[tuple[int, Sequence[Row], Batch]]:
            with contextlib.closing(prefetched(self.loader, numbers)) as made:
                for step, (rows, batch) in zip(numbers, made, strict=True):
                    yield step, rows, batch

        return loop.train(
            self.trainee,
            batches=batches(),
            micro_rows=settings.micro_rows,
            learning_rate=lambda step: schedule.learning_rate(
                step,
                schedule=settings.schedule,
                peak=settings.learning_rate,
                warmup_steps=settings.warmup_steps,
                steps=settings.steps,
            ),
        )

    def tell(self, step: loop.Step, log: Log | None) -> None:
        """Prints and logs a step."""
        measured = self.meter.add(step)
        self.seconds, self.taken = self.seconds + step.seconds, self.taken + 1
        eta = self.seconds / self.taken * (self.run.settings.steps - step.step)
        if log:
            fields = report.fields(step, measured)
            log.write("step", **fields)
            self.habits.write("step", step.step, fields)
            print(report.progress(step, measured, steps=self.run.settings.steps, eta=eta), flush=True)

    def explain(self, step: loop.Step, found: Mapping[str, ledger.DocumentLosses], losses: ledger.Ledger) -> None:
        """Writes the documents of a step that is not learned from, the worst first."""
        term = next(iter(found))
        parts = parallel.gather(found[term], self.trainee.world)
        if self.leads:
            near = scores.of_term(losses.rows(max(1, step.step - _NEAR), step.step - 1), term)
            documents = dossier.dossier(
                self.data.stream, self.run.plan, step.step, losses=ledger.merged(parts), others=near
            )
            path = dossier.write(self.habits.folder, step.step, step.verdict.reason, documents)
            print(f"step {step.step} is left out: {step.verdict.reason}; its documents are in {path}", flush=True)

    def go_back(self, step: loop.Step, losses: ledger.Ledger) -> int:
        """Puts the last good checkpoint in place, and returns the step after which the run goes on."""
        folder, guard = self.habits.folder, self.trainee.guard
        self.saver.wait()
        older = [saved for saved in checkpoints.saved(folder) if saved < step.verdict.before]
        if not older:
            raise DivergedError(step.step, f"{step.verdict.reason}, and no earlier checkpoint is there to go back to")
        path = checkpoints.saved(folder)[older[-1]]
        checkpoint.load(path, self.trainee.model, self.trainee.optimizer, world=self.trainee.world)
        losses.rewind(older[-1])  # what later weights made of their documents is gone with them
        guard.restored(step.step, to=older[-1], state=checkpoint.read_about(path)["guard"])
        if self.leads:
            print(f"back to the weights of step {older[-1]}; the run goes on with step {step.step + 1}", flush=True)
        return step.step

    def is_over(self, step: int, *, stop: bool, log: Log | None, losses: ledger.Ledger) -> bool:
        """Validates and saves where it is time, and says whether this was the last step for now."""
        settings, folder = self.run.settings, self.habits.folder
        last = step == settings.steps
        stop = stop or step == self.habits.stop_after
        if last or step % settings.validate_every == 0:
            self.validate(step, log)
        if last or stop or step % self.habits.checkpoint_every == 0:
            losses.close_file()
            self.saver.save(step, self.about())
        if last or stop:
            self.saver.wait()
        if last and self.leads:
            path = checkpoints.saved(folder)[step]
            print(f"finished: {settings.steps} steps; the weights are in {path}")
        elif stop and self.leads:
            print(f"stopped after step {step}: continue with --output {shlex.quote(folder)} --resume")
        return last or stop

    def about(self) -> dict[str, Any]:
        """What a checkpoint says beside its weights: what it belongs to, and the state of all but the weights."""
        return {
            "settings": dataclasses.asdict(self.run.settings),
            "plan_sha256": self.run.plan.sha256,
            "guard": self.trainee.guard.state(),
        }

    def validate(self, step: int, log: Log | None) -> None:
        """Measures, logs and prints how the held-out documents are predicted, where there are any."""
        if self.held_out is None:
            return
        found = validation.evaluate(
            self.trainee.model,
            self.trainee.objective,
            self.held_out,
            world=self.trainee.world,
            precision=self.trainee.precision,
            micro_rows=self.run.settings.micro_rows,
        )
        if log:
            fields = dataclasses.asdict(found)
            log.write("validation", step=step, **fields)
            self.habits.write("validation", step, fields)
            print(report.validated(step, found), flush=True)


@contextlib.contextmanager
def interruption() -> Iterator[list[int]]:
    """Yields a list that receives SIGINT or SIGTERM, so that the step at hand ends and is saved; a second one kills."""
    received: list[int] = []

    def receive(number: int, _: object) -> None:
        received.append(number)
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
