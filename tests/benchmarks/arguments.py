"""The command line that the benchmarks on archives share."""

import argparse
import glob
import sys


def parser(description: str | None) -> argparse.ArgumentParser:
    """With `--input`; the description is a module's docstring, shown as it stands."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--input", required=True, metavar="GLOB")
    return made


def archives(args: argparse.Namespace, *, at_least: int = 1) -> list[str]:
    """The files that `--input` matches, in order; ends the process where there are too few."""
    found = sorted(glob.glob(args.input))
    if len(found) < at_least:
        sys.exit(f"--input {args.input}: matches {len(found)} files, expected at least {at_least}")
    return found
