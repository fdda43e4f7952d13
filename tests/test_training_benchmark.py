import dataclasses
import math
import os
import time

import numpy as np
import pytest
from transformers import LlamaConfig

from tests.benchmarks import training
from tests.benchmarks.training import Timed
from tests.tiny_corpus import END_OF_TEXT, VOCAB_SIZE, encode, texts, write_corpus
from trainers import options
from trainers.admit import admit

SETTINGS = options.resolve({"steps": 4, "batch_rows": 2, "micro_rows": 1, "sequence_length": 16, "device": "cpu"})


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return admit(write_corpus(tmp_path_factory.mktemp("benchmark") / "corpus", [texts(6)], []))


def test_rows_are_those_of_the_run(corpus):
    rows = training.rows_of(SETTINGS, corpus)
    assert rows.shape == (8, 17)
    stream = np.concatenate([encode(text) for text in texts(6)])
    windows = np.lib.stride_tricks.sliding_window_view(np.append(END_OF_TEXT, stream), 17)[::16]
    assert all((windows == row).all(axis=1).any() for row in rows[:-1])
    assert len(np.unique(rows, axis=0)) == 8  # an epoch has more rows than that


def test_peers_are_told_the_same_shape(corpus):
    spec = training.specification(SETTINGS, corpus)
    llama = LlamaConfig(**spec["llama"])
    assert (llama.num_hidden_layers, llama.hidden_size) == (spec["litgpt"]["n_layer"], spec["litgpt"]["n_embd"])
    assert llama.vocab_size == spec["litgpt"]["padded_vocab_size"] == VOCAB_SIZE
    assert (spec["steps"], spec["batch_rows"], spec["micro_rows"]) == (4, 2, 1)


def test_the_median_step_counts():
    steps = [(1.0, 0.5, 9.0), (9.0, 1.0, 8.0), (11.0, 2.0, 7.0), (13.0, 3.0, 6.0)]
    assert training.of_steps(steps, SETTINGS, skip=1) == Timed(16.0, 3 * 32 / 2.5, 6.0)
    assert training.of_steps(steps, SETTINGS, skip=2) == Timed(16.0, 2 * 32 / 2.0, 6.0)
    with pytest.raises(AssertionError):
        training.of_steps(steps, dataclasses.replace(SETTINGS, steps=5), skip=1)


def test_ratios_are_taken_round_by_round():
    found = {"ours": [Timed(10, 6, 1), Timed(2, 4, 1)], "theirs": [Timed(5, 3, 2), Timed(2, 1, 2)]}
    assert training.table(found)[2:] == [
        "| ours | 6 | 1.00 (1.00 to 1.00) | 5 | 1.00 (1.00 to 1.00) | 1.000 |",
        "| theirs | 4 | 1.50 (1.00 to 2.00) | 2 | 3.00 (2.00 to 4.00) | 2.000 |",
    ]


def test_cpu_seconds_of_a_process():
    found = training.cpu_seconds(os.getpid())
    assert math.isnan(found) or 0 < found <= time.process_time() + 0.05
