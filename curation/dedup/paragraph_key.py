"""What CCNet compares paragraphs by (Wenzek et al. 2019, https://arxiv.org/abs/1911.00359, cc_net/dedup.py)."""

import hashlib

from curation.rules import ccnet_text

_SIZE = 8  # bytes: two different paragraphs among a billion share a key in one run of 37


def paragraph_key(line: str) -> bytes:
    """The first 8 bytes of the SHA-1 of a line, normalised: its case, digits and Unicode marks do not matter.

    All lines that hold nothing else have one key, that of the empty line.
    """
    normalized = ccnet_text.for_paragraphs(line).encode("utf-8", "replace")
    return hashlib.sha1(normalized, usedforsecurity=False).digest()[:_SIZE]
