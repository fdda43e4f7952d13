"""Shows what a model has learned, in text: `python -m trainers.generate --run RUN --prompt TEXT`."""

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch

from trainers.answers import ANSWERS, Asked, Speaker
from trainers.command import carried_out, check_device, show, whole
from trainers.decoding import Decoding
from trainers.table import escaped, plain, table
from trainers.trained import Trained, load


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code."""
    args = _parser().parse_args(argv)
    return carried_out("generate", args, lambda: _generated(args), memory="give fewer --samples")


def _generated(args: argparse.Namespace) -> int:
    decoding = Decoding(args.temperature, args.top_k, args.top_p, args.max_tokens, args.seed)
    check_device(args.device)
    prompts = [args.prompt] if args.prompts is None else _lines(args.prompts)
    trained = load(args.run, step=args.step, device=args.device)
    for number, prompt in enumerate(prompts):
        found = answered(trained, Asked(prompt, number, args.samples, decoding), folder=args.run)
        many = len(prompts) > 1 or len(found) > 1
        for answer in found:
            lines = [json.dumps(plain(answer))] if args.json else _shown(answer, number=number, many=many)
            show("\n".join(lines))
    return 0


@torch.inference_mode()
def answered(trained: Trained, asked: Asked, *, folder: str) -> list[dict[str, Any]]:
    """The answers to a prompt, ready for JSON; ValueError where the objective has none, or not to this prompt."""
    objective = trained.run.settings.objective
    if objective not in ANSWERS:
        raise ValueError(
            f"the run in {folder} was trained by {objective}, which gives no text; "
            f"give a run of {', '.join(list(ANSWERS)[:-1])} or {list(ANSWERS)[-1]}"
        )
    return list(ANSWERS[objective](Speaker.of(trained), asked))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m trainers.generate",
        description="Samples text from a run of trainers.pretrain, fills the <mask> or the <extra_id_0>, <extra_id_1>, "
        "... of a prompt, or shows the nearest neighbours of its tokens: what the run's objective is for.",
        allow_abbrev=False,
    )
    parser.add_argument("--run", metavar="RUN", required=True, help="the --output of trainers.pretrain")
    parser.add_argument("--step", type=int, metavar="N", help="of a checkpoint; default: the newest")
    asked = parser.add_mutually_exclusive_group()
    asked.add_argument("--prompt", metavar="TEXT", default="", help="default: nothing, for a document from its start")
    asked.add_argument("--prompts", metavar="FILE", help="one prompt a line, UTF-8")
    parser.add_argument("--samples", type=whole(1), metavar="N", default=1, help="for each prompt; default: 1")
    parser.add_argument("--max-tokens", type=int, metavar="N", default=100, help="of a sample; default: 100")
    parser.add_argument("--temperature", type=float, metavar="T", default=1.0, help="0: the most probable; default: 1")
    parser.add_argument("--top-k", type=int, metavar="K", default=0, help="draw from the K most probable; 0: from all")
    parser.add_argument("--top-p", type=float, metavar="P", default=1.0, help="draw from the fewest that have share P")
    parser.add_argument("--seed", type=int, metavar="S", default=0, help="of what is drawn; default: 0")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: cpu")
    parser.add_argument("--json", action="store_true", help="one object a line")
    return parser


def _lines(path: str) -> list[str]:
    """The prompts of a file; an empty line is an empty prompt."""
    try:
        with open(path, encoding="utf-8") as file:
            found = [line.removesuffix("\n") for line in file]
    except UnicodeDecodeError as error:
        raise ValueError(f"--prompts {path} is not UTF-8 ({error}); write it as UTF-8, one prompt a line") from None
    if not found:
        raise ValueError(f"--prompts {path} is empty; write one prompt a line")
    return found


def _shown(answer: Mapping[str, Any], *, number: int, many: bool) -> Iterator[str]:
    """An answer for a terminal, line by line, nothing of it raw but line breaks."""
    if many:
        names = [f"prompt {number + 1}"]
        if "sample" in answer:
            end = "end of text" if answer["ended"] else "cut off"
            names += [f"sample {answer['sample'] + 1}", f"{answer['tokens']} tokens", end]
        yield f"--- {', '.join(names)}"
    if "text" in answer:
        yield from map(escaped, answer["text"].split("\n"))
    if "masks" in answer:
        lines = [{"mask": n, **_quoted(each)} for n, mask in enumerate(answer["masks"], 1) for each in mask]
        yield table(lines, ["mask", "token", "probability"])
    if "neighbours" in answer:
        yield escaped(_quoted(answer)["token"])
        yield table([_quoted(each) for each in answer["neighbours"]], ["token", "cosine"])


def _quoted(found: Mapping[str, Any]) -> dict[str, Any]:
    """With quotes around the token, so that its blanks are seen."""
    return {**found, "token": f'"{found["token"]}"'}


if __name__ == "__main__":
    sys.exit(main())
