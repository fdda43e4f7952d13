"""The whole road: archives in, a curated and tokenized corpus out. Read this first.

Three stages, each a restart point: a part that exists with the same recipe, code, libraries and input is not made
again, so a run that was stopped goes on where it was when the same command is started again.
"""

if __name__ == "__main__":
    from curation import fork_server

    fork_server.start()  # it loads its libraries, which takes a second, while this process loads Beam

import sys
from collections.abc import Sequence

from pipelines import command, deduplicate, extract, tokenize


def main(argv: Sequence[str] | None = None) -> int:
    """Archives to `filtered/` and `rejected/`, those to `documents/`, those to `tokens/` and the manifest."""
    return command.main(__doc__ or "", [extract.STAGE, deduplicate.STAGE, tokenize.STAGE], argv)


if __name__ == "__main__":
    sys.exit(main())
