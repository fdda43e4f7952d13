"""A Llama-style decoder whose parameters are named as in HuggingFace's LlamaForCausalLM.

Shapes: B rows, T positions, C width, H heads, K key-value heads, D head width, V vocabulary.
"""

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from trainers.models.attention import Documents, attend, documents
from trainers.models.sizes import Size

ROPE_BASE = 10_000.0  # of Llama 1 and 2, for rows of up to a few thousand positions
NORM_EPSILON = 1e-5
INITIAL_DEVIATION = 0.02

Rotation = tuple[torch.Tensor, torch.Tensor]  # cosine and sine, float32 (B, 1, T, D / 2)


class Attention(nn.Module):
    """Self-attention with rotary positions; grouped-query where the size has fewer key-value heads."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.head_width = size.head_width
        key_value_width = size.key_value_heads * size.head_width
        self.q_proj = nn.Linear(size.width, size.width, bias=False)
        self.k_proj = nn.Linear(size.width, key_value_width, bias=False)
        self.v_proj = nn.Linear(size.width, key_value_width, bias=False)
        self.o_proj = nn.Linear(size.width, size.width, bias=False)

    def forward(self, x: torch.Tensor, rotation: Rotation, seen: Documents) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)."""
        q, k, v = (
            projection(x).unflatten(-1, (-1, self.head_width)).transpose(1, 2)  # (B, H or K, T, D)
            for projection in (self.q_proj, self.k_proj, self.v_proj)
        )
        heads = attend(rotate(q, rotation), rotate(k, rotation), v, seen)  # (B, H, T, D)
        mixed: torch.Tensor = self.o_proj(heads.transpose(1, 2).flatten(-2))
        return mixed


class FeedForward(nn.Module):
    """SwiGLU (Shazeer 2020)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(size.width, size.hidden, bias=False)
        self.up_proj = nn.Linear(size.width, size.hidden, bias=False)
        self.down_proj = nn.Linear(size.hidden, size.width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)."""
        y: torch.Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return y


class Block(nn.Module):
    """Attention and feed-forward, each normalized before and added to the residual stream."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(size.width, eps=NORM_EPSILON)
        self.self_attn = Attention(size)
        self.post_attention_layernorm = nn.RMSNorm(size.width, eps=NORM_EPSILON)
        self.mlp = FeedForward(size)

    def forward(self, x: torch.Tensor, rotation: Rotation, seen: Documents) -> torch.Tensor:
        """(B, T, C) -> (B, T, C)."""
        x = x + self.self_attn(self.input_layernorm(x), rotation, seen)
        x = x + self.mlp(self.post_attention_layernorm(x))
        return x


class Blocks(nn.Module):
    """What LlamaForCausalLM keeps under the name `model`: tokens to normalized states."""

    def __init__(self, size: Size, *, vocab_size: int, attention: str) -> None:
        super().__init__()
        self.head_width = size.head_width
        self.attention = attention
        self.embed_tokens = nn.Embedding(vocab_size, size.width)
        self.layers = nn.ModuleList(Block(size) for _ in range(size.layers))
        self.norm = nn.RMSNorm(size.width, eps=NORM_EPSILON)

    def forward(self, inputs: torch.Tensor, segments: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """int (B, T) each -> (B, T, C)."""
        device = inputs.device.type
        dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else torch.float32
        seen = documents(segments, causal=True, implementation=self.attention, dtype=dtype)
        rotation = rotations(positions, self.head_width)
        x: torch.Tensor = self.embed_tokens(inputs)  # (B, T, C)
        for block in self.layers:
            x = block(x, rotation, seen)
        x = self.norm(x)
        return x


class Decoder(nn.Module):
    """Tokens in, the distribution of the next token out; no position sees another document."""

    def __init__(self, size: Size, *, vocab_size: int, attention: str = "auto") -> None:
        super().__init__()
        self.model = Blocks(size, vocab_size=vocab_size, attention=attention)
        # A tied head has no parameter of its own, as in HuggingFace's safetensors files.
        self.lm_head = None if size.tied else nn.Linear(size.width, vocab_size, bias=False)

    def forward(self, inputs: torch.Tensor, segments: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
        """int (B, T) each -> logits (B, T, V)."""
        x = self.model(inputs, segments, positions)
        return functional.linear(x, self.model.embed_tokens.weight) if self.lm_head is None else self.lm_head(x)


def rotations(positions: torch.Tensor, head_width: int) -> Rotation:
    """The rotary embedding (Su et al. 2021) of positions (B, T), in float32."""
    channels = torch.arange(0, head_width, 2, dtype=torch.float32, device=positions.device)
    angles = positions[:, None, :, None].float() * ROPE_BASE ** (-channels / head_width)  # (B, 1, T, D / 2)
    return angles.cos(), angles.sin()


def rotate(x: torch.Tensor, rotation: Rotation) -> torch.Tensor:
    """Turns (B, H, T, D) by its positions; channel i is paired with i + D / 2, as in HuggingFace's weights."""
    cosine, sine = rotation
    first, second = x.float().chunk(2, dim=-1)
    turned = torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
    return turned.type_as(x)


def build(size: Size, *, vocab_size: int, sequence_length: int = 0, seed: int, attention: str = "auto") -> Decoder:
    """A decoder in float32 on the CPU, initialized from `seed` alone; rotary positions have no `sequence_length`.

    Normal with deviation 0.02; what writes to the residual stream divided by sqrt(2 * layers), as in GPT-2.
    """
    with torch.device("meta"):
        decoder = Decoder(size, vocab_size=vocab_size, attention=attention)
    decoder.to_empty(device="cpu")
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in decoder.named_parameters():
        if parameter.ndim == 1:
            nn.init.ones_(parameter)
        else:
            residual = name.endswith(("o_proj.weight", "down_proj.weight"))
            deviation = INITIAL_DEVIATION / (2 * size.layers) ** 0.5 if residual else INITIAL_DEVIATION
            nn.init.normal_(parameter, std=deviation, generator=generator)
    return decoder


def config(size: Size, *, vocab_size: int, sequence_length: int, end_of_text_id: int) -> dict[str, Any]:
    """The fields of HuggingFace's LlamaConfig that make LlamaForCausalLM compute as this decoder does."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": vocab_size,
        "hidden_size": size.width,
        "intermediate_size": size.hidden,
        "num_hidden_layers": size.layers,
        "num_attention_heads": size.heads,
        "num_key_value_heads": size.key_value_heads,
        "head_dim": size.head_width,
        "hidden_act": "silu",
        "max_position_embeddings": sequence_length,
        "rms_norm_eps": NORM_EPSILON,
        "rope_parameters": {"rope_type": "default", "rope_theta": ROPE_BASE},
        "rope_theta": ROPE_BASE,  # where versions before 5 look
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": size.tied,
        "initializer_range": INITIAL_DEVIATION,
        "bos_token_id": end_of_text_id,  # what comes before a text in training
        "eos_token_id": end_of_text_id,
        "pad_token_id": end_of_text_id,
        "torch_dtype": "float32",
    }
