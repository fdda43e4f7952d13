"""What a step costs, with a made-up NVML where there is no GPU."""

import dataclasses
import sys
import types

import pytest
import torch

from trainers import energy, flops, meter, options, parallel
from trainers.guard import Verdict
from trainers.loop import Step
from trainers.models import decoder, encoder, encoder_decoder, replaced, two_stream
from trainers.models.sizes import SIZES

CUDA = torch.device("cuda", 0)


def step(number, *, tokens=1000, seconds=0.5, data_wait=0.1):
    verdict = Verdict("ok", "")
    return Step(number, 2.0, {"loss": 2.0}, 1e-3, 1.0, tokens, tokens, seconds, data_wait, verdict)


class NVMLError(Exception):
    pass


def nvml(readings):
    """A module that gives the readings of a GPU's energy counter, in millijoules, one after another."""

    def total(handle):
        assert handle == "handle of GPU-1234"
        if not readings:
            raise NVMLError("Not Supported")
        return readings.pop(0)

    return types.SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=lambda: None,
        nvmlDeviceGetHandleByUUID=lambda uuid: f"handle of {uuid}",
        nvmlDeviceGetTotalEnergyConsumption=total,
    )


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: types.SimpleNamespace(uuid="1234"))
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA H200")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 12_345)
    return monkeypatch


@pytest.mark.parametrize(
    "name, tera",
    [
        ("NVIDIA H200", 989),
        ("NVIDIA H200 NVL", 835),
        ("NVIDIA H100 80GB HBM3", 989),
        ("NVIDIA H100 PCIe", 756),
        ("NVIDIA H100 NVL", 835),
        ("NVIDIA A100-SXM4-80GB", 312),
        ("NVIDIA A100 80GB PCIe", 312),
        ("NVIDIA B200", 2250),
        ("NVIDIA A10", 125),
        ("NVIDIA L4", 121),
        ("NVIDIA L40S", 362),
        ("NVIDIA GeForce RTX 4090", 165.2),
    ],
)
def test_peaks_are_dense(name, tera):
    assert meter.peak_of(name) == tera * 1e12


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA A10G",
        "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
        "NVIDIA GB200",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "NVIDIA L400",
        "Tesla V100-SXM2-16GB",  # has no bfloat16
        "",
    ],
)
def test_no_peak_is_guessed(name):
    assert meter.peak_of(name) is None


def test_a_run_on_a_gpu(gpu):
    gpu.setitem(sys.modules, "pynvml", nvml([1_000, 2_000, 5_000, 3_605_000]))  # the first says that there is one
    settings = dataclasses.replace(options.resolve({"size": "1m"}), device="cuda", precision="bfloat16")
    model = decoder.build(SIZES["1m"], vocab_size=100, seed=1)
    measuring = meter.Meter.of(model, settings, parallel.World(device=CUDA), grid_intensity=300)
    first, second = measuring.add(step(1)), measuring.add(step(2, data_wait=0.3))
    needed = flops.per_token("causal", "1m", vocab_size=100, sequence_length=settings.sequence_length)
    assert first.tokens_per_second == 2000
    assert first.flops_per_second == needed * 2000
    assert first.mfu == needed * 2000 / 989e12
    assert (first.data_wait_share, second.data_wait_share) == pytest.approx((0.2, 0.4))
    assert first.peak_memory == 12_345
    assert (first.joules, second.joules) == (3, 3600)
    assert second.co2e_grams == pytest.approx(0.3)  # a Wh at 300 g/kWh


def test_mfu_is_that_of_all_gpus(gpu):
    gpu.setattr(parallel, "total", lambda values, world: {name: 2 * value for name, value in values.items()})
    gpu.setitem(sys.modules, "pynvml", nvml([0, 0, 7_000]))
    settings = dataclasses.replace(options.resolve({"size": "1m"}), device="cuda", precision="bfloat16")
    model = decoder.build(SIZES["1m"], vocab_size=100, seed=1)
    found = meter.Meter.of(model, settings, parallel.World(size=2, device=CUDA)).add(step(1))
    assert found.mfu == found.flops_per_second / (2 * 989e12)
    assert found.joules == 14
    assert found.co2e_grams is None  # no grid intensity was given


def test_nothing_is_claimed_of_an_unknown_gpu_or_of_float32(gpu):
    gpu.setitem(sys.modules, "pynvml", None)  # not installed
    settings = dataclasses.replace(options.resolve({"size": "1m"}), device="cuda", precision="float32")
    model = decoder.build(SIZES["1m"], vocab_size=100, seed=1)
    world = parallel.World(device=CUDA)
    assert meter.Meter.of(model, settings, world).add(step(1)).mfu is None
    gpu.setattr(torch.cuda, "get_device_name", lambda device: "NVIDIA Unheard-of")
    settings = dataclasses.replace(settings, precision="bfloat16")
    found = meter.Meter.of(model, settings, world, grid_intensity=300).add(step(1))
    assert found.flops_per_second is not None
    assert (found.mfu, found.joules, found.co2e_grams) == (None, None, None)


def test_one_rank_that_cannot_tell_its_energy_is_not_left_out():
    world = parallel.World(size=2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parallel, "total", lambda values, world: {"joules": values["joules"] + 0, "ranks": 1.0})
        measuring = meter.Meter(None, None, world, joules=lambda: 5.0)
        assert measuring.add(step(1)).joules is None


def test_a_run_on_a_cpu():
    settings = options.resolve({"size": "1m", "device": "cpu"})
    model = decoder.build(SIZES["1m"], vocab_size=100, seed=1)
    found = meter.Meter.of(model, settings, parallel.ALONE, grid_intensity=300).add(step(1))
    assert found.flops_per_second is not None
    assert (found.mfu, found.joules, found.co2e_grams) == (None, None, None)
    assert 2**24 < found.peak_memory < 2**40


@pytest.mark.parametrize(
    "objective, module",
    [("masked", encoder), ("replaced", replaced), ("spans", encoder_decoder), ("permuted", two_stream)],
)
def test_the_vocabulary_is_found_in_every_model(objective, module):
    size = dataclasses.replace(SIZES["1m"], layers=1)
    settings = options.resolve({"objective": objective, "size": "1m", "sequence_length": 512, "device": "cpu"})
    model = module.build(size, vocab_size=100, sequence_length=512, seed=1)
    expected = flops.per_token(objective, "1m", vocab_size=100, sequence_length=512, mask_rate=settings.mask_rate)
    assert meter.Meter.of(model, settings, parallel.ALONE).flops_per_token == expected


def test_a_gpu_without_a_counter(gpu):
    gpu.setitem(sys.modules, "pynvml", nvml([]))
    assert energy.counter(CUDA) is None
    assert energy.counter(torch.device("cpu")) is None


def test_grams():
    assert energy.grams_co2e(3.6e6, 400) == 400
