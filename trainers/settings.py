"""What decides the numbers of a run."""

import dataclasses
from typing import Literal

OptimizerName = Literal["adamw", "muon", "sgd"]
Precision = Literal["float32", "bfloat16"]
Schedule = Literal["cosine", "wsd", "linear"]
ObjectiveName = Literal["causal", "masked", "replaced", "spans", "permuted", "skipgram", "cbow"]
_AT_LEAST = {
    "sequence_length": 1,
    "max_repeats": 0,
    "seed": 0,
    "steps": 1,
    "batch_rows": 1,
    "micro_rows": 1,
    "warmup_steps": 0,
    "weight_decay": 0,
    "max_skips": 0,
    "spike_sigmas": 0,
    "threads": 1,
    "validate_every": 1,
    "validation_rows": 0,
}


@dataclasses.dataclass(frozen=True)
class Settings:
    """The settings of a run. A resumed run has the same ones, or it is another run."""

    # What is learned, and by what
    objective: ObjectiveName
    size: str
    sequence_length: int  # tokens in a row
    mask_rate: float  # share of the tokens that masked, replaced, spans and permuted choose
    whole_words: bool
    # What is read
    weights: tuple[float, ...]  # of the corpora, in tokens; empty for one corpus
    max_repeats: float  # times a document is read at most; 0: without end
    repeat_by: str  # a column or signal; empty: every document once
    order: str  # "row" or "document"
    seed: int  # of weights, order and masks
    # How it is learned
    steps: int  # the schedule ends here, so a longer run differs from its first step on
    batch_rows: int  # rows in a step, over all ranks and passes
    micro_rows: int  # rows in one pass of one rank
    optimizer: OptimizerName
    learning_rate: float  # peak
    warmup_steps: int
    schedule: Schedule
    weight_decay: float
    max_skips: int  # steps in a row that the guard leaves out before it goes back; 0: the first one ends the run
    spike_sigmas: float  # above the mean of recent losses; 0: any finite loss is learned from
    # How it is computed
    device: str
    precision: Precision  # of products; weights are float32
    attention: str
    compile: bool
    threads: int  # sums on a CPU are split by thread, so another number rounds otherwise
    # How it is measured
    validate_every: int  # steps
    validation_rows: int  # 0: the whole split

    def __post_init__(self) -> None:
        for name, least in _AT_LEAST.items():
            if not getattr(self, name) >= least:
                raise ValueError(f"its {name} is {getattr(self, name)}, expected at least {least}")
        if not self.learning_rate > 0 or not 0 < self.mask_rate < 1:
            raise ValueError(f"its learning_rate is {self.learning_rate} and its mask_rate {self.mask_rate}")
