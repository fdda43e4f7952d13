"""Low-rank adapters (Hu et al. 2021, "LoRA"): W + B A * alpha / r, where W is as it was and A and B are learned.

They are added to weights, not to what these compute: the same function, at the cost of one product of the size of W
a pass, and it serves every shape of weight. Weights of more than two dimensions, as XLNet's, are taken as matrices of
their first dimension by all others.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import nn
from torch.nn.utils import parametrize

from trainers.models.decoder import Decoder
from trainers.models.encoder import MaskedModel
from trainers.models.encoder_decoder import EncoderDecoder
from trainers.models.replaced import ReplacedModel
from trainers.models.two_stream import TwoStream

PROJECTIONS = ("q", "k", "v", "o")
# The last part of the names of the weights that project to queries, keys, values, and back.
_BERT = ("self.query.weight", "self.key.weight", "self.value.weight", "attention.output.dense.weight")
_NAMES: Mapping[type[nn.Module], Sequence[str]] = {
    Decoder: ("q_proj.weight", "k_proj.weight", "v_proj.weight", "o_proj.weight"),
    MaskedModel: _BERT,
    ReplacedModel: _BERT,
    EncoderDecoder: ("q.weight", "k.weight", "v.weight", "o.weight"),
    TwoStream: ("rel_attn.q", "rel_attn.k", "rel_attn.v", "rel_attn.o"),
}


class LowRank(nn.Module):
    """What is added to a weight: A (r, in) is random, B (out, r) zero, so that nothing changes at first."""

    def __init__(self, weight: torch.Tensor, *, rank: int, alpha: float, generator: torch.Generator) -> None:
        super().__init__()
        rows, columns = weight.flatten(1).shape
        self.scale = alpha / rank
        self.a = nn.Parameter(torch.empty(rank, columns))
        self.b = nn.Parameter(torch.zeros(rows, rank))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5), generator=generator)  # as in loralib

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight and what is added, of the weight's shape."""
        return weight + self.scale * (self.b @ self.a).view_as(weight)


def targets(model: nn.Module, *, parts: Sequence[str], projections: Sequence[str]) -> list[str]:
    """The names of the attention weights in some submodules; ValueError where the model has no attention."""
    if type(model) not in _NAMES:
        raise ValueError("--method lora adapts attention and word vectors have none; give --method frozen or full")
    ends = tuple(f".{_NAMES[type(model)][PROJECTIONS.index(projection)]}" for projection in projections)
    inside = tuple(f"{part}." if part else "" for part in parts)
    return [name for name, _ in model.named_parameters() if name.startswith(inside) and name.endswith(ends)]


def insert(model: nn.Module, names: Sequence[str], *, rank: int, alpha: float, seed: int) -> None:
    """Puts an adapter on each of the named weights of a model on the CPU, and freezes these weights."""
    generator = torch.Generator().manual_seed(seed)
    for name in names:
        module, last = _place(model, name)
        weight = module.get_parameter(last)
        if rank > (most := min(weight.flatten(1).shape)):
            raise ValueError(f"--rank {rank} is more than the {most} that {name} can have; lower it")
        weight.requires_grad_(False)
        adapter = LowRank(weight, rank=rank, alpha=alpha, generator=generator)
        parametrize.register_parametrization(module, last, adapter)


def tensors(model: nn.Module) -> dict[str, torch.Tensor]:
    """A and B of every adapter: `<weight>.lora_A` and `<weight>.lora_B`; alpha / r is not in them."""
    found = {}
    for name, module, last in _adapted(model):
        adapter = _adapter(module, last)
        found[f"{name}.lora_A"], found[f"{name}.lora_B"] = adapter.a.detach(), adapter.b.detach()
    return found


def merge(model: nn.Module) -> None:
    """Makes every weight with its adapter a plain weight under its own name: the model computes the same bits."""
    for _, module, last in list(_adapted(model)):
        parametrize.remove_parametrizations(module, last, leave_parametrized=True)


def _adapted(model: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """The name of each weight with an adapter, its module, and its name there."""
    for prefix, module in model.named_modules():
        if parametrize.is_parametrized(module):
            for last in module.parametrizations:  # type: ignore[union-attr]
                yield f"{prefix}.{last}" if prefix else last, module, last


def _adapter(module: nn.Module, last: str) -> LowRank:
    adapter = module.get_submodule(f"parametrizations.{last}.0")
    assert isinstance(adapter, LowRank)
    return adapter


def _place(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    prefix, _, last = name.rpartition(".")
    return model.get_submodule(prefix), last
