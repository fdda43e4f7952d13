"""The sizes of decoder a run can ask for, named by their parameters without embeddings."""

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


SIZES = {
    "1m": Size(layers=5, width=128, heads=4, key_value_heads=4, hidden=352, learning_rate=3e-3),
    "5m": Size(layers=6, width=256, heads=4, key_value_heads=4, hidden=704, learning_rate=3e-3),
    "20m": Size(layers=6, width=512, heads=8, key_value_heads=8, hidden=1408, learning_rate=2e-3),
    "60m": Size(layers=12, width=640, heads=10, key_value_heads=10, hidden=1728, learning_rate=1.5e-3),
    "150m": Size(layers=12, width=1024, heads=16, key_value_heads=16, hidden=2752, learning_rate=1e-3),
    "400m": Size(layers=23, width=1280, heads=20, key_value_heads=5, hidden=3456, learning_rate=6e-4, tied=False),
    "1b": Size(layers=22, width=2048, heads=32, key_value_heads=4, hidden=5632, learning_rate=4e-4, tied=False),
}
