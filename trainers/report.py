"""What a run tells the person who watches it."""

from trainers.admit import Corpus
from trainers.loop import Step
from trainers.run import Run
from trainers.sizes import SIZES
from trainers.validation import Validation

_SLOW_CHECK = 5.0  # seconds from which the checks' time is worth a word


def introduction(run: Run, corpus: Corpus, held_out: Validation | None) -> str:
    """What is about to be trained on what."""
    settings, plan, size, train = run.settings, run.plan, SIZES[run.settings.size], corpus.train
    took = f", checked in {corpus.seconds:.0f} s" if corpus.seconds > _SLOW_CHECK else ""
    validation = "none: the corpus has no validation document, so no bits per byte are measured"
    if held_out:
        every = corpus.validation.num_documents
        share = "all" if held_out.num_documents == every else f"the first {held_out.num_documents:,} of"
        validation = f"{share} {every:,} documents, {held_out.num_bytes:,} bytes, every {settings.validate_every} steps"
    embedding = corpus.vocab_size * size.width * (1 if size.tied else 2)
    number = "bfloat16 over float32" if settings.device == "cuda" else f"float32, {settings.threads} threads"
    return (
        f"corpus      {train.num_documents:,} documents, {train.num_tokens:,} tokens to train on; "
        f"{corpus.num_bytes:,} bytes{took}\n"
        f"plan        {plan.num_rows:,} rows of {plan.sequence_length} tokens, "
        f"read {plan.epochs(settings.steps):.2f} times in {settings.steps} steps of {settings.batch_rows}\n"
        f"validation  {validation}\n"
        f"model       {settings.size}: {size.num_parameters:,} parameters and {embedding:,} of embedding; "
        f"{settings.device}, {number}"
    )


def progress(step: Step, steps: int, *, eta: float) -> str:
    """A step as the line an operator reads; `eta` in seconds."""
    rate = step.tokens / step.seconds
    speed = f"{rate / 1e6:.2f}M" if rate >= 1e6 else f"{rate / 1e3:.1f}k"
    return (
        f"step {step.step}/{steps}  loss {step.loss:.4f}  lr {step.learning_rate:.1e}  {speed} tokens/s  "
        f"data wait {step.data_wait * 1e3:.1f} ms  eta {clock(eta)}"
    )


def clock(seconds: float) -> str:
    """Seconds as h:mm:ss."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
