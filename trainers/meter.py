"""How fast a run goes, how well it uses its GPUs, and what it costs in memory and energy."""

import dataclasses
import re
import resource
import sys
from collections.abc import Callable
from typing import Self

import torch
from torch import nn

from trainers import energy, flops, parallel
from trainers.loop import Step
from trainers.settings import Settings

# FLOP/s of dense bfloat16 products that sum in float32, as the vendors' data sheets say; their larger numbers are with
# 2:4 sparsity. By a pattern of torch's name for the GPU, the first that fits: a part of a name is another card. NVIDIA:
# A100, A10, A40, L4, L40, L40S, H100 (SXM, PCIe, NVL), H200 (SXM, NVL), B200, GH200; Ada whitepaper (RTX 4090), Ampere
# GA102 whitepaper (RTX 3090, A6000). AMD: MI250X, MI300X.
_PEAKS = (
    (r"\bGH200\b", 989e12),
    (r"\bB200\b", 2250e12),
    (r"\bH200 NVL\b", 835e12),
    (r"\bH200\b", 989e12),
    (r"\bH100 PCIe\b", 756e12),
    (r"\bH100 NVL\b", 835e12),
    (r"\bH100\b", 989e12),  # torch calls the SXM card "NVIDIA H100 80GB HBM3"
    (r"\bA100\b", 312e12),
    (r"\bA10\b", 125e12),
    (r"\bA40\b", 149.7e12),
    (r"\bRTX A6000\b", 154.8e12),
    (r"\bL40S\b", 362e12),
    (r"\bL40\b", 181e12),
    (r"\bL4\b", 121e12),
    (r"\bRTX 4090\b(?! (D|Laptop))", 165.2e12),
    (r"\bRTX 3090\b(?! Ti)", 71e12),
    (r"\bMI300X\b", 1307e12),
    (r"\bMI250X\b", 383e12),
)


@dataclasses.dataclass(frozen=True)
class Measured:
    """What a step cost, over all ranks; None where nobody can tell."""

    tokens_per_second: float  # that were read
    flops_per_second: float | None  # that the model needs, by `flops.per_token`
    mfu: float | None  # model FLOPs utilization: these by the peak of all the GPUs (Chowdhery et al. 2022, appendix B)
    data_wait_share: float  # of the seconds since the start or the resume, spent waiting for data, by this rank
    peak_memory: int  # bytes since the start or the resume, by this rank: of the GPU by torch, else of the process
    joules: float | None  # of the GPUs since the step before; the sum over a run's log is the run's
    co2e_grams: float | None  # of these joules, where a grid intensity is given


@dataclasses.dataclass
class Meter:
    """Measures steps, one after another."""

    flops_per_token: float | None
    peak: float | None  # FLOP/s of all GPUs; None where no MFU is claimed
    world: parallel.World
    joules: Callable[[], float] | None = None  # what this rank's GPU has used so far
    grid_intensity: float | None = None  # gCO2e per kWh
    seconds: float = 0.0
    waited: float = 0.0
    used: float = dataclasses.field(init=False)  # joules, up to the last step

    def __post_init__(self) -> None:
        self.used = self.joules() if self.joules else 0.0

    @classmethod
    def of(
        cls, model: nn.Module, settings: Settings, world: parallel.World, *, grid_intensity: float | None = None
    ) -> Self:
        """The meter of a run on this rank; `model` is as it was built, its first embedding that of the tokens."""
        vocab_size = next(module.num_embeddings for module in model.modules() if isinstance(module, nn.Embedding))
        needed = flops.per_token(
            settings.objective,
            settings.size,
            vocab_size=vocab_size,
            sequence_length=settings.sequence_length,
            mask_rate=settings.mask_rate,
        )
        peak = None
        if world.device.type == "cuda" and settings.precision == "bfloat16":
            peak = peak_of(torch.cuda.get_device_name(world.device))
        return cls(needed, peak and peak * world.size, world, energy.counter(world.device), grid_intensity)

    def add(self, step: Step) -> Measured:
        """What a step that has just been taken cost; every rank has to ask."""
        self.seconds += step.seconds
        self.waited += step.data_wait
        rate = step.tokens / step.seconds
        needed = None if self.flops_per_token is None else self.flops_per_token * rate
        joules = self._joules()
        known = joules is not None and self.grid_intensity is not None
        return Measured(
            tokens_per_second=rate,
            flops_per_second=needed,
            mfu=needed / self.peak if needed is not None and self.peak else None,
            data_wait_share=self.waited / self.seconds,
            peak_memory=peak_memory(self.world.device),
            joules=joules,
            co2e_grams=energy.grams_co2e(joules or 0, self.grid_intensity or 0) if known else None,
        )

    def _joules(self) -> float | None:
        """Joules since the last time, over all ranks; None if one of them cannot tell, rather than too few."""
        found = {"joules": 0.0, "ranks": 0.0}
        if self.joules:
            before, self.used = self.used, self.joules()
            found = {"joules": self.used - before, "ranks": 1.0}
        found = parallel.total(found, self.world)
        return found["joules"] if found["ranks"] == self.world.size else None


def peak_of(name: str) -> float | None:
    """FLOP/s of dense bfloat16 products of a GPU by torch's name for it; None for one that is not known."""
    if "MIG" in name:
        return None  # a part of a GPU
    return next((peak for pattern, peak in _PEAKS if re.search(pattern, name)), None)


def peak_memory(device: torch.device) -> int:
    """Bytes: the most that torch has had of a GPU's memory at once, or this process of the machine's."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
