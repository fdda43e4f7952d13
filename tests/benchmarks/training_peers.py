"""Trains a Llama with transformers' Trainer or in the loop of `litgpt pretrain`, for `tests.benchmarks.training`.

    python training_peers.py NAME SPEC.json ROWS.npy OUTPUT.json

Runs in the peer's own environment, so it imports nothing of this project. ROWS.npy is int64 (rows, T + 1): what comes
before a row, and its tokens. OUTPUT.json receives when each step ended, the CPU time until then, and the step's loss.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

Steps = list[tuple[float, float, float]]  # seconds of a clock and of the CPU at the end of each step, and its loss


def main() -> None:
    """Runs one peer."""
    name, spec, rows, output = sys.argv[1:]
    settings = json.loads(Path(spec).read_text())
    torch.set_num_threads(settings["threads"])
    peer = {"transformers": transformers_trainer, "litgpt": litgpt_loop}[name]
    steps = peer(settings, torch.from_numpy(np.load(rows)))
    Path(output).write_text(json.dumps(steps))


def transformers_trainer(settings: dict[str, Any], rows: torch.Tensor) -> Steps:
    """LlamaForCausalLM and Trainer with its own defaults for everything that the settings leave open."""
    import transformers

    class Clock(transformers.TrainerCallback):
        """Notes when a step ended; Trainer logs the loss right after."""

        def __init__(self) -> None:
            self.ends: list[tuple[float, float]] = []
            self.losses: list[float] = []

        def on_step_end(self, *_: Any, **__: Any) -> None:
            self.ends.append((time.perf_counter(), time.process_time()))

        def on_log(self, *_: Any, logs: dict[str, Any], **__: Any) -> None:
            if "loss" in logs:
                self.losses.append(float(logs["loss"]))

    class InOrder(transformers.Trainer):
        """Reads the rows as they lie."""

        def _get_train_sampler(self, *_: Any, **__: Any) -> torch.utils.data.Sampler:
            return torch.utils.data.SequentialSampler(rows)

    # Targets that are shifted already: else the model would score one less in each row.
    examples = [{"input_ids": row[:-1], "labels": row[1:], "shift_labels": row[1:]} for row in rows]
    config = transformers.LlamaConfig(**settings["llama"], use_cache=False)
    transformers.set_seed(settings["seed"])
    clock = Clock()
    InOrder(
        model=transformers.LlamaForCausalLM(config),
        args=transformers.TrainingArguments(
            output_dir=settings["folder"],
            max_steps=settings["steps"],
            per_device_train_batch_size=settings["micro_rows"],
            gradient_accumulation_steps=settings["batch_rows"] // settings["micro_rows"],
            learning_rate=settings["learning_rate"],
            warmup_steps=settings["warmup_steps"],
            lr_scheduler_type="cosine",
            weight_decay=0.1,
            adam_beta2=0.95,
            max_grad_norm=1.0,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            remove_unused_columns=False,
        ),
        train_dataset=examples,
        callbacks=[clock],
    ).train()
    return [(*end, loss) for end, loss in zip(clock.ends, clock.losses, strict=True)]


def litgpt_loop(settings: dict[str, Any], rows: torch.Tensor) -> Steps:
    """`litgpt.pretrain.main` from the model to `fit`, with its functions; checkpoints are neither read nor written.

    It compiles the model, unless TORCH_COMPILE_DISABLE=1 is in the environment.
    """
    import lightning
    from lightning.fabric.loggers import Logger
    from litgpt import pretrain
    from litgpt.args import EvalArgs, TrainArgs
    from litgpt.model import GPT, Config
    from litgpt.utils import instantiate_torch_optimizer
    from torch.utils.data import DataLoader

    steps: Steps = []

    class Clock(Logger):
        """Notes each step's loss and when it came."""

        name, version = "clock", 0

        def log_metrics(self, metrics: Any, step: int | None = None) -> None:
            steps.append((time.perf_counter(), time.process_time(), float(metrics["loss"])))

        def log_hyperparams(self, *_: Any, **__: Any) -> None:
            pass

    train = TrainArgs(
        save_interval=None,
        log_interval=1,
        global_batch_size=settings["batch_rows"],
        micro_batch_size=settings["micro_rows"],
        lr_warmup_steps=settings["warmup_steps"],
        max_tokens=rows[:, 1:].numel(),
        max_norm=1.0,
        tie_embeddings=settings["llama"]["tie_word_embeddings"],
    )
    fabric = lightning.Fabric(accelerator="cpu", devices=1, precision="32-true", loggers=[Clock()])
    fabric.launch()
    fabric.seed_everything(settings["seed"])
    with fabric.init_module(empty_init=True):
        model = GPT(Config(**settings["litgpt"]))
    pretrain.initialize_weights(fabric, model, n_layer=model.config.n_layer, n_embd=model.config.n_embd)
    if train.tie_embeddings:
        model.transformer.wte.weight = model.lm_head.weight
    wrapped = fabric.setup(torch.compile(model))
    chosen = {"lr": settings["learning_rate"], "weight_decay": 0.1, "betas": [0.9, 0.95]}
    adamw = {"class_path": "torch.optim.AdamW", "init_args": chosen}
    optimizer = fabric.setup_optimizers(instantiate_torch_optimizer(adamw, wrapped.parameters(), fused=False))
    loader = fabric.setup_dataloaders(DataLoader(rows, batch_size=settings["micro_rows"]))
    pretrain.fit(
        fabric=fabric,
        devices=1,
        state={"model": wrapped, "optimizer": optimizer, "iter_num": 0, "step_count": 0},
        train_dataloader=loader,
        val_dataloader=loader,
        out_dir=Path(settings["folder"]),
        tokenizer_dir=None,
        train=train,
        eval=EvalArgs(interval=settings["steps"] + 1, final_validation=False),
    )
    return steps


if __name__ == "__main__":
    main()
