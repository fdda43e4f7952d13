"""The floating-point operations that a model needs, counted by hand: 2 for each multiply-add of a matrix product.

Norms, activations, softmax and embeddings are not counted, as nobody does. By the convention of PaLM (Chowdhery et al.
2022, appendix B), attention is to all T positions of a row, half of which a causal model need not look at, and padding
and what is computed twice to save memory do not count; utilization by other conventions is another number. With `pairs`
from `pairs_seen`, the products are those inside of documents, which are what must be done.

Shapes: T positions of a row, N of them predicted, W width, V vocabulary.
"""

import math
from collections.abc import Sequence

from trainers.models.replaced import embedding_width, generator_shape
from trainers.models.sizes import SIZES, Size
from trainers.objectives.spans import amounts

BACKWARD = 2  # times the forward pass: each product has a gradient for each of its factors
_MEAN_SPAN = 3.0  # tokens, of the spans objective


def per_token(
    objective: str, size: str | Size, *, vocab_size: int, sequence_length: int, mask_rate: float = 0.15
) -> float | None:
    """FLOPs of training, forward and backward, for each token that is read; None for word vectors, all memory traffic.

    `mask_rate` is the share of the tokens that is predicted, of objectives that choose some.
    """
    shape = SIZES[size] if isinstance(size, str) else size
    length = sequence_length
    if objective == "causal":
        forward = decoder(shape, vocab_size=vocab_size, length=length)
    elif objective == "masked":
        forward = encoder(shape, vocab_size=vocab_size, length=length, predicted=max(1, round(mask_rate * length)))
    elif objective == "replaced":
        forward = replaced(shape, vocab_size=vocab_size, length=length, predicted=max(1, round(mask_rate * length)))
    elif objective == "permuted":
        forward = two_stream(shape, vocab_size=vocab_size, length=length, predicted=math.ceil(mask_rate * length))
    elif objective == "spans":
        noise, spans = amounts(max(2, length - 1), density=mask_rate, mean_length=_MEAN_SPAN)
        source, target = length - noise + spans, noise + spans + 1  # with an end-of-text each
        forward = encoder_decoder(shape, vocab_size=vocab_size, source=source, target=target)
    else:
        return None
    return (1 + BACKWARD) * forward / length


def pairs_seen(lengths: Sequence[int], *, causal: bool) -> int:
    """How many pairs of a query and a key documents of these lengths have."""
    return sum(n * (n + 1) // 2 if causal else n * n for n in lengths)


def decoder(size: Size, *, vocab_size: int, length: int, pairs: int | None = None) -> int:
    """FLOPs of a decoder's forward pass over a row of `length` positions, all of them predicted."""
    matrices = length * (size.num_parameters + vocab_size * size.width)
    return 2 * matrices + _attention(size.layers, size.width, length**2 if pairs is None else pairs)


def encoder(size: Size, *, vocab_size: int, length: int, predicted: int, pairs: int | None = None) -> int:
    """FLOPs of an encoder's forward pass over a row, `predicted` positions of which have a head."""
    head = predicted * (size.width**2 + vocab_size * size.width)
    return _encoder_layers(size.layers, size.width, length, pairs) + 2 * head


def replaced(size: Size, *, vocab_size: int, length: int, predicted: int, pairs: int | None = None) -> int:
    """FLOPs of the forward pass of a generator, with a head for `predicted` positions, and its discriminator."""
    embedding, (generator, _) = embedding_width(size), generator_shape(size)
    total = 0
    for width in (generator, size.width):
        projection = length * embedding * width if embedding != width else 0
        total += _encoder_layers(size.layers, width, length, pairs) + 2 * projection
    heads = predicted * embedding * (generator + vocab_size) + length * size.width * (size.width + 1)
    return total + 2 * heads


def encoder_decoder(size: Size, *, vocab_size: int, source: int, target: int) -> int:
    """FLOPs of the forward pass of two stacks over `source` positions of the encoder and `target` of the decoder."""
    square, gated = size.width**2, 3 * size.width * size.hidden
    encoding = source * (4 * square + gated)
    decoding = target * (6 * square + gated) + source * 2 * square  # keys and values of what the decoder looks at
    matrices = size.layers * (encoding + decoding) + target * vocab_size * size.width
    return 2 * matrices + _attention(size.layers, size.width, source**2 + target**2 + source * target)


def two_stream(size: Size, *, vocab_size: int, length: int, predicted: int) -> int:
    """FLOPs of the forward pass over `length` positions of content and `predicted` queries.

    Distances have products of their own, with 2T encodings. To project the encodings is left out: a pass does so once
    for all its rows.
    """
    square, total = size.width**2, 0
    for queries in [length + predicted] * (size.layers - 1) + [predicted]:  # the last layer has no content stream
        total += 2 * (queries * 10 * square + length * 2 * square)  # 2 of attention, 8 of the feed-forward layer
        total += _attention(1, size.width, queries * length) + 2 * size.width * queries * 2 * length
    return total + 2 * predicted * vocab_size * size.width


def _encoder_layers(layers: int, width: int, length: int, pairs: int | None) -> int:
    return 2 * length * layers * 12 * width**2 + _attention(layers, width, length**2 if pairs is None else pairs)


def _attention(layers: int, width: int, pairs: int) -> int:
    return 2 * layers * 2 * width * pairs  # a score and a share of a value for each pair
