"""Where a Dataflow Flex Template starts: the same as `python -m pipelines.curate`."""

import sys

from pipelines.curate import main

if __name__ == "__main__":
    sys.exit(main())
