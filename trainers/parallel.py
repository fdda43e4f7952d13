"""One process or many: torchrun's ranks, and a model wrapped for them.

The loss of a step is a sum over targets divided by their number over all ranks, so gradients of ranks are summed here,
not averaged as DDP and FSDP do by default.
"""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, TypeVar, get_args

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel
from torch.utils.checkpoint import checkpoint

from trainers.settings import Precision

Strategy = Literal["none", "ddp", "fsdp"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class World:
    """This process among those that train one model; the ranks see the same files."""

    rank: int = 0
    size: int = 1
    device: torch.device = dataclasses.field(default_factory=lambda: torch.device("cpu"))
    local_rank: int = 0  # on its machine


ALONE = World()


def start(device: Literal["cpu", "cuda"]) -> World:
    """Joins the process group that torchrun's environment names, or is alone; ValueError where a rank has no GPU."""
    rank, size, local_rank = (int(os.environ.get(name, alone)) for name, alone in _TORCHRUN.items())
    if device == "cuda":
        if local_rank >= (gpus := torch.cuda.device_count()):
            raise ValueError(
                f"rank {rank} needs GPU {local_rank} and torch finds {gpus} here; "
                "lower torchrun's --nproc-per-node to the number of GPUs, or give --device cpu"
            )
        torch.cuda.set_device(local_rank)
    if "RANK" in os.environ:
        # gloo beside nccl: counts, small objects and checkpoints travel from memory to memory.
        dist.init_process_group("gloo" if device == "cpu" else "cpu:gloo,cuda:nccl")
    place = torch.device("cpu") if device == "cpu" else torch.device("cuda", local_rank)
    return World(rank=rank, size=size, device=place, local_rank=local_rank)


_TORCHRUN = {"RANK": "0", "WORLD_SIZE": "1", "LOCAL_RANK": "0"}


def stop(world: World) -> None:
    """Leaves the process group when every rank is done; not for a rank that failed, for which none would wait."""
    if dist.is_initialized():
        dist.barrier()  # a gloo rank that leaves early aborts the others
        dist.destroy_process_group()


def wrap(
    model: nn.Module,
    world: World,
    *,
    strategy: Strategy = "none",
    precision: Precision = "float32",
    checkpoint_activations: bool = False,
    compile: bool = False,
) -> nn.Module:
    """The model on the rank's device, ready to train; parameters keep their names but for DDP's `module.`.

    Every rank gives a model with the same weights. Ask for the precision's context in each pass, too. ValueError where
    strategy, precision and device do not go together.
    """
    check(world, strategy=strategy, precision=precision)
    model.to(world.device)
    for block in blocks(model):
        if checkpoint_activations:
            block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)  # type: ignore[method-assign]
        if compile:
            block.compile()
    if strategy == "ddp":
        gpu = [world.local_rank] if world.device.type == "cuda" else None
        # Looking for unused parameters keeps the buckets as they are. Otherwise they are laid out anew after the first
        # step, and a resumed run would sum its first step in another order than one that was not interrupted.
        replica = DistributedDataParallel(model, device_ids=gpu, find_unused_parameters=True)
        replica.register_comm_hook(None, _summed)
        return replica
    if strategy == "fsdp":
        _shard(model, precision=precision)
    return model


def check(world: World, *, strategy: Strategy, precision: Precision) -> None:
    """ValueError where the ranks or the device cannot do what is asked, before any step is spent."""
    if strategy == "none" and world.size > 1:
        raise ValueError(
            f"{world.size} ranks would each train a model of their own: give --parallel ddp, or fsdp for a model "
            "that does not fit into one device"
        )
    if strategy != "none" and not dist.is_initialized():
        raise ValueError(
            f"--parallel {strategy} needs the ranks of torchrun, found one process: start with "
            "`torchrun --standalone --nproc-per-node N -m trainers.pretrain`, or give --parallel none"
        )
    if precision == "bfloat16" and world.device.type == "cuda" and not torch.cuda.is_bf16_supported(False):
        raise ValueError(
            f"{torch.cuda.get_device_name(world.device)} does not compute in bfloat16; give --precision float32"
        )


def blocks(model: nn.Module) -> list[nn.Module]:
    """The repeated parts of a model: what its outermost ModuleLists hold."""
    if isinstance(model, nn.ModuleList):
        return list(model)
    return [block for child in model.children() for block in blocks(child)]


def inner(model: nn.Module) -> nn.Module:
    """The model that `wrap` was given: the same object but for DDP."""
    return model.module if isinstance(model, DistributedDataParallel) else model


@contextlib.contextmanager
def synchronized(model: nn.Module, *, last: bool) -> Iterator[None]:
    """Around the forward and backward of each pass of a step: ranks exchange gradients in the last pass alone.

    Every rank takes as many passes.
    """
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(last)
    with model.no_sync() if isinstance(model, DistributedDataParallel) and not last else contextlib.nullcontext():
        yield


def precision_context(world: World, precision: Precision) -> torch.autocast:
    """Around each forward pass: products in bfloat16 over float32 weights where that is the precision."""
    return torch.autocast(world.device.type, dtype=torch.bfloat16, enabled=precision == "bfloat16")


def clip(model: nn.Module, max_norm: float) -> float:
    """Scales the summed gradients down to a norm; returns what it was before. Waits for the device."""
    norm = nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    return float(norm.full_tensor() if isinstance(norm, DTensor) else norm)


def total(values: Mapping[str, float], world: World) -> dict[str, float]:
    """The sum over the ranks of each value, in float64: exact for counts below 2**53, and the same on every rank."""
    if world.size == 1:
        return dict(values)
    sums = torch.tensor(list(values.values()), dtype=torch.float64)
    dist.all_reduce(sums)
    return dict(zip(values, sums.tolist(), strict=True))


def gather(value: T, world: World) -> list[T]:
    """What each rank gives, by rank, on rank 0; nothing elsewhere. For small things that pickle."""
    if world.size == 1:
        return [value]
    found: list[Any] | None = [None] * world.size if world.rank == 0 else None
    dist.gather_object(value, found)
    return found or []


def gather_all(value: T, world: World, *, group: dist.ProcessGroup | None = None) -> list[T]:
    """What each rank of the group, which is of all ranks, gives, by rank, on every rank."""
    found: list[Any] = [value] * world.size
    if world.size > 1:
        dist.all_gather_object(found, value, group=group)
    return found


def agreed(work: Callable[[], T], world: World) -> T:
    """What `work` gives on this rank, once every rank has done it; where it fails, the first that failed says so.

    The others end without a word, as its sentence would be buried under theirs.
    """
    result, problem = [], None
    try:
        result.append(work())
    except (ValueError, OSError) as error:
        problem = error
    failed = [rank for rank, bad in enumerate(gather_all(problem is not None, world)) if bad]
    if failed and world.rank != failed[0]:
        raise SystemExit(1)
    if problem is not None:
        raise problem
    return result[0]


def broadcast(value: T, world: World) -> T:
    """What rank 0 gives, on every rank."""
    if world.size == 1:
        return value
    found = [value]
    dist.broadcast_object_list(found, src=0)
    return found[0]


def _shard(model: nn.Module, *, precision: Precision) -> None:
    """FSDP2 in place: each block is gathered while it computes, what is outside of blocks with the root."""
    # Autocast chooses what is computed in which type; FSDP would round the rotary angles with all other inputs.
    policy = MixedPrecisionPolicy(
        param_dtype=torch.bfloat16 if precision == "bfloat16" else None,
        reduce_dtype=torch.float32,
        cast_forward_inputs=False,
    )
    for module in (*blocks(model), model):
        sharded = fully_shard(module, mp_policy=policy)
        sharded.set_gradient_divide_factor(1.0)
        sharded.set_force_sum_reduction_for_comms(True)  # gloo has no other


def _summed(_: None, bucket: dist.GradBucket) -> torch.futures.Future[torch.Tensor]:  # type: ignore[name-defined]
    work = dist.all_reduce(bucket.buffer(), async_op=True)
    future: torch.futures.Future[torch.Tensor] = work.get_future().then(lambda done: done.value()[0])
    return future
