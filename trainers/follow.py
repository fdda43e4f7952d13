"""Follows a run step by step: prints, logs, measures, validates, saves, and goes back where the guard says so."""

import contextlib
import dataclasses
import shlex
import signal
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from typing import Any

from trainers import checkpoint, checkpoints, dossier, ledger, loop, parallel, report, schedule, scores, validation
from trainers.batches import Loader, prefetched
from trainers.command import tell
from trainers.log import Log
from trainers.meter import Meter
from trainers.objectives.objective import Batch
from trainers.reading import Data
from trainers.row import Row
from trainers.run import Run

_IMPATIENT = 3.0  # seconds
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
    clock: float = 0.0  # when the step at hand began

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
                self.clock = time.perf_counter()
                with contextlib.closing(self.steps(done)) as steps:
                    for taken, scored in steps:
                        step = self.timed(taken)
                        found = ledger.by_document(scored.rows, scored.batch, scored.losses)
                        losses.add(step.step, found)
                        self.record(step, log)
                        if step.verdict.action != "ok":
                            self.explain(step, found, losses)
                        if step.verdict.action == "restore":
                            done = self.go_back(step, losses)
                            if self.is_over(done, stop=False, log=log, losses=losses):
                                return 0
                            break
                        stop = bool(parallel.total({"stop": len(interrupted)}, world)["stop"])
                        began = time.perf_counter()
                        if self.is_over(step.step, stop=stop, log=log, losses=losses):
                            return 128 + interrupted[0] if stop and interrupted else 0
                        self.clock += time.perf_counter() - began
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

    def timed(self, step: loop.Step) -> loop.Step:
        """The step with all the time since the one before it, logs included, but for validation and checkpoints."""
        now = time.perf_counter()
        seconds, self.clock = now - self.clock, now
        return dataclasses.replace(step, seconds=seconds)

    def record(self, step: loop.Step, log: Log | None) -> None:
        """Prints and logs a step."""
        measured = self.meter.add(step)
        self.seconds, self.taken = self.seconds + step.seconds, self.taken + 1
        eta = self.seconds / self.taken * (self.run.settings.steps - step.step)
        if log:
            fields = report.fields(step, measured)
            log.write("step", **fields)
            self.habits.write("step", step.step, fields)
            tell(report.progress(step, measured, steps=self.run.settings.steps, eta=eta))

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
            tell(f"step {step.step} is left out: {step.verdict.reason}; its documents are in {path}")

    def go_back(self, step: loop.Step, losses: ledger.Ledger) -> int:
        """Puts the last good checkpoint in place, and returns the step after which the run goes on.

        Only those of every `checkpoint_every`-th step count, as a run that nothing interrupted has no others; what is
        newer is removed, or a resumed run would take up what was rejected.
        """
        folder, world, guard = self.habits.folder, self.trainee.world, self.trainee.guard
        self.saver.wait()
        saved = checkpoints.saved(folder)
        older = [at for at in saved if at < step.verdict.before and at % self.habits.checkpoint_every == 0]
        if not older:
            raise DivergedError(step.step, f"{step.verdict.reason}, and no earlier checkpoint is there to go back to")
        chosen = older[-1]
        checkpoint.load(saved[chosen], self.trainee.model, self.trainee.optimizer, world=world)
        guard.restored(step.step, to=chosen, state=checkpoints.read_about(saved[chosen])["guard"])
        for at in saved if self.leads else ():
            if at > chosen:
                checkpoints.discard(saved[at])
        losses.rewind(chosen)  # what later weights made of their documents is gone with them
        parallel.total({"done": 1}, world)
        if self.leads:
            tell(f"back to the weights of step {chosen}; the run goes on with step {step.step + 1}")
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
            tell(f"finished: {settings.steps} steps; the weights are in {path}")
        elif stop and self.leads:
            tell(f"stopped after step {step}: continue with --output {shlex.quote(folder)} --resume")
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
            tell(report.validated(step, found))


@contextlib.contextmanager
def interruption() -> Iterator[list[int]]:
    """Yields a list that receives SIGINT or SIGTERM, so that the step at hand ends and is saved.

    Schedulers and torchrun send the same signal again, so only a SIGINT after some seconds ends it at once.
    """
    received: list[int] = []
    first = 0.0

    def receive(number: int, _: object) -> None:
        nonlocal first
        if not received:
            first = time.monotonic()
            received.append(number)
        elif number == signal.SIGINT and time.monotonic() - first > _IMPATIENT:
            raise KeyboardInterrupt

    before = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
