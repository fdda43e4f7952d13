"""Stands in for `pipelines.launch.run`: rounds one task after another in this process, without Beam's start-up."""

import argparse
import collections
import pickle
import random
from collections.abc import Callable, Sequence
from typing import Any

from apache_beam.options.pipeline_options import PipelineOptions

from pipelines import exchange, options
from pipelines.tasks import Round


def run(
    rounds: Sequence[Round],
    args: argparse.Namespace,
    beam_options: PipelineOptions,
    *,
    in_children: bool = False,
    seed: str | None = None,
    before: Callable[[], None] = bool,  # called before each task
) -> None:
    """Takes the place of `launch.run`; the tasks of a round in an order by the seed."""
    order, shuffle = random.Random(seed), options.shuffles(args, beam_options)
    sent: dict[str, Any] = {}  # by channel, partition and sender
    for step in rounds:
        receives = [channel for channel in step.receives if channel in sent]
        sends = step.sends if shuffle else ()
        now: dict[str, Any] = {channel: collections.defaultdict(dict) for channel in sends}
        tasks = list(step.tasks)
        if seed is not None:
            order.shuffle(tasks)
        for task in tasks:
            before()
            partition = int(getattr(task, "number", task))
            received = {channel: sent[channel].get(partition, {}) for channel in receives}
            mailbox = exchange.Mailbox(partition, received, sends)
            with exchange.shuffled(mailbox):  # a worker has nothing but a copy of the work
                pickle.loads(pickle.dumps(step.work))(task)
            for channel, sender, receiver, content in mailbox.sent:
                assert sender not in now[channel][receiver], (channel, sender)
                now[channel][receiver][sender] = content
        sent |= now
