"""The energy that a GPU uses, as its own counter says; NVIDIA's only, through NVML."""

from collections.abc import Callable
from typing import Any

import torch

JOULES_PER_KWH = 3.6e6


def counter(device: torch.device) -> Callable[[], float] | None:
    """What reads the joules that a GPU has used since its driver was loaded; None where there is no such counter.

    nvmlDeviceGetTotalEnergyConsumption, of Volta and newer: of the whole board and all that runs on it, without the
    machine's CPUs, its cooling and the losses of its power supply. Needs the package nvidia-ml-py.
    """
    if device.type != "cuda":
        return None
    try:
        import pynvml  # type: ignore[import-untyped]
    except ImportError:
        return None
    # NVML counts all GPUs of the machine, torch those of CUDA_VISIBLE_DEVICES: the UUID is what they agree on.
    uuid = f"GPU-{torch.cuda.get_device_properties(device).uuid}"
    return _of_gpu(pynvml, uuid)


def grams_co2e(joules: float, grid_intensity: float) -> float:
    """Grams of CO2 equivalent of some joules of electricity that was made at `grid_intensity`, gCO2e per kWh."""
    return joules / JOULES_PER_KWH * grid_intensity


def _of_gpu(nvml: Any, uuid: str) -> Callable[[], float] | None:
    """`nvml` is the module pynvml."""
    try:
        nvml.nvmlInit()
        handle = nvml.nvmlDeviceGetHandleByUUID(uuid)
        nvml.nvmlDeviceGetTotalEnergyConsumption(handle)  # not supported before Volta, nor on a part of a GPU (MIG)
    except nvml.NVMLError:
        return None
    return lambda: float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1e3  # of millijoules
