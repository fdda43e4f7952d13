"""A row of the plan, as an objective gets it."""

import dataclasses

import numpy as np

IGNORED = -100  # a target that is not scored; cross_entropy's own default
NOBODY = -1  # the owner, and the segment, of what belongs to no document: padding


@dataclasses.dataclass(frozen=True)
class Row:
    """A row of the plan: pieces of documents, one after another; only the last row of an epoch may be short."""

    epoch: int
    number: int  # in the plan
    before: int  # the token that precedes the first one in its document; end-of-text where a document starts here
    tokens: np.ndarray  # uint16 or uint32 [n], 1 <= n <= the plan's sequence_length
    edges: np.ndarray  # int64[pieces + 1], from 0 to n: piece i has the tokens [edges[i], edges[i + 1])
    documents: np.ndarray  # int64[pieces]: the number in the stream of the document of each piece
