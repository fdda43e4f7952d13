"""The sizes of model a run can ask for, named by the parameters of such a decoder without its embedding and head."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Size:
    """The shape of a Llama-style decoder, and the peak learning rate that suits it."""

    layers: int
    width: int
    heads: int
    key_value_heads: int  # fewer than heads: grouped-query attention
    hidden: int  # width of the gated feed-forward layer, about 8/3 of width
    learning_rate: float
    # A vocabulary of 50,000 has 6.4M parameters at width 128: tied, small models are not mostly embedding, twice.
    tied: bool = True

    @property
    def head_width(self) -> int:
        """Channels of one attention head."""
        return self.width // self.heads

    @property
    def num_parameters(self) -> int:
        """Weights without the embedding, the head and the norms: what names the size."""
        attention = 2 * self.width * self.head_width * (self.heads + self.key_value_heads)
        return self.layers * (attention + 3 * self.width * self.hidden)


# Learning rates: up to 60m, and of 150m, about a quarter of DataDecide's (Magnusson et al. 2025: 1.4e-2 for 4M, 8.4e-3
# for 20M, 5.8e-3 for 60M, 4.2e-3 for 150M); of 124m GPT-3 Small's (Brown et al. 2020, table 2.1); of 1b TinyLlama's
# (Zhang et al. 2024); of 3b and 7b that of Llama 2 7B (Touvron et al. 2023, table 1).
SIZES = {
    "1m": Size(layers=5, width=128, heads=4, key_value_heads=4, hidden=352, learning_rate=3e-3),
    "5m": Size(layers=6, width=256, heads=4, key_value_heads=4, hidden=704, learning_rate=3e-3),
    "20m": Size(layers=6, width=512, heads=8, key_value_heads=8, hidden=1408, learning_rate=2e-3),
    "60m": Size(layers=12, width=640, heads=10, key_value_heads=10, hidden=1728, learning_rate=1.5e-3),
    # GPT-2 small's shape; 124M are with its embedding.
    "124m": Size(layers=12, width=768, heads=12, key_value_heads=12, hidden=2048, learning_rate=6e-4),
    "150m": Size(layers=12, width=1024, heads=16, key_value_heads=16, hidden=2752, learning_rate=1e-3),
    "400m": Size(layers=23, width=1280, heads=20, key_value_heads=5, hidden=3456, learning_rate=6e-4, tied=False),
    "1b": Size(layers=22, width=2048, heads=32, key_value_heads=4, hidden=5632, learning_rate=4e-4, tied=False),
    # Llama 3.2 3B's shape.
    "3b": Size(layers=28, width=3072, heads=24, key_value_heads=8, hidden=8192, learning_rate=3e-4, tied=False),
    # Llama 2 7B's shape.
    "7b": Size(layers=32, width=4096, heads=32, key_value_heads=32, hidden=11008, learning_rate=3e-4, tied=False),
}
