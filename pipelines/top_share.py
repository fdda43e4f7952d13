"""A pass over all documents: those that score best are kept."""

import functools

import numpy as np

from curation import parts, top_share
from curation.document import Document, Rejection
from curation.recipe import step_name
from curation.sources import Task
from pipelines import exchange, progress
from pipelines.run import Decide, Run
from pipelines.tasks import Round

_SCORE = np.dtype("<f8")


def write_scores(task: Task, *, run: Run, number: int) -> int:
    """Sends the scores of a part's documents to the one task that compares them all, eight bytes each."""
    path = run.pass_work(number, "scores", task.part)
    if exchange.is_sent(path):
        return 0
    (step,) = run.recipe.passes[number].looks
    scores: list[float] = []
    with progress.reporting(run.progress, "scores", task.number) as report:
        for count, document in enumerate(parts.documents(run.pass_input(number, task.number)), 1):
            if step.signal not in document.signals:
                raise ValueError(
                    f"{step!r}: {document.id} has no such signal; it has {', '.join(sorted(document.signals))}: name "
                    "one of these, or put the step that measures it before"
                )
            scores.append(document.signals[step.signal])
            report(count, count, (document.offset - task.start) / (task.stop - task.start))
    exchange.send(path, np.array(scores, _SCORE), np.zeros(len(scores), np.int64), count=1)
    return len(scores)


def write_threshold(_: int, *, run: Run, number: int) -> int:
    """Sends every part the score that the best share has at least."""
    path = run.pass_work(number, "threshold", "00000")
    if exchange.is_sent(path):
        return 0
    (step,) = run.recipe.passes[number].looks
    scores = exchange.receive([run.pass_work(number, "scores", task.part) for task in run.tasks], 0, _SCORE)
    found = np.full(len(run.tasks), top_share.threshold(scores, step.share), _SCORE)
    exchange.send(path, found, np.arange(len(run.tasks)), count=len(run.tasks))
    return len(scores)


def rounds(run: Run, number: int) -> list[Round]:
    """From scores to the threshold; each round passes over what it finds made."""
    known = functools.partial(functools.partial, run=run, number=number)
    scores, threshold = run.pass_work(number, "scores"), run.pass_work(number, "threshold")
    return [
        Round("scores", run.tasks, known(write_scores), sends=(scores,)),
        Round("threshold", [0], known(write_threshold), sends=(threshold,), receives=(scores,)),
    ]


def decisions(task: Task, *, run: Run, number: int) -> Decide:
    """What becomes of each document: dropped below the threshold, or kept."""
    (step,) = run.recipe.passes[number].looks
    (least,) = exchange.receive([run.pass_work(number, "threshold", "00000")], task.number, _SCORE).tolist()

    def decide(document: Document, _: int) -> Document | Rejection:
        score = document.signals[step.signal]
        if score >= least:
            return document
        evidence = f"{step.signal}, of which the best {step.share:g} have at least {least:.6g}"
        return Rejection.of(document, step=step_name(step), reason="below_top_share", value=score, evidence=evidence)

    return decide
