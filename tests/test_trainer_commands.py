"""What the trainers' commands have in common."""

import argparse
import signal
import subprocess
import sys

import pytest
import torch

from trainers import command

ARGS = argparse.Namespace(x=["y", None])
COMMANDS = ["pretrain", "trace", "suspects", "forget", "generate", "evaluate", "export", "finetune", "harness"]


@pytest.mark.parametrize(
    "kind, text, value",
    [
        (command.whole(1), "1", 1),
        (command.whole(1), "0", None),
        (command.whole(0), "0", 0),
        (command.whole(0), "-1", None),
        (command.whole(0), "1.0", None),
        (command.whole(0), "٣", None),
        (command.positive, "1e-3", 0.001),
        (command.positive, "0", None),
        (command.positive, "nan", None),
        (command.positive, "inf", None),
        (command.positive, "x", None),
        (command.number, "0", 0.0),
        (command.number, "-0.5", None),
        (command.share, "0.2", 0.2),
        (command.share, "1", None),
        (command.share, "0", None),
    ],
)
def test_numbers_on_the_command_line(kind, text, value):
    if value is None:
        with pytest.raises(argparse.ArgumentTypeError, match="found "):
            kind(text)
    else:
        assert kind(text) == value


def raising(error):
    def work():
        raise error

    return work


@pytest.mark.parametrize(
    "error, said",
    [
        (ValueError("--x 1: expected 2\x1b[2J"), "trainers.try: --x 1: expected 2\\x1b[2J\n"),
        (PermissionError(13, "Permission denied", "/there"), "trainers.try: /there: Permission denied\n"),
        (OSError("cannot write it; make room"), "trainers.try: cannot write it; make room\n"),
        (torch.OutOfMemoryError("CUDA out of memory"), "trainers.try: there is not enough memory; give less\n"),
        (MemoryError(), "trainers.try: there is not enough memory; give less\n"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
            "trainers.try: there is not enough memory; give less\n",
        ),
    ],
)
def test_what_a_user_can_mend_is_one_sentence(error, said, capsys):
    assert command.carried_out("try", ARGS, raising(error), memory="give less") == 1
    assert capsys.readouterr().err == said


def test_our_own_mistakes_are_not_hidden():
    for error in (RuntimeError("shapes"), AssertionError(), KeyError("x")):
        with pytest.raises(type(error)):
            command.carried_out("try", ARGS, raising(error), memory="")


def test_an_interruption_is_no_error_of_ours(capsys):
    code = command.carried_out(
        "try",
        ARGS,
        raising(KeyboardInterrupt()),
        memory="",
        interrupted="nothing was written",
    )
    assert code == 128 + signal.SIGINT
    assert capsys.readouterr().err == "trainers.try: interrupted; nothing was written\n"


def test_arguments_are_text(capsys):
    args = argparse.Namespace(run="\udcff")
    assert command.carried_out("try", args, lambda: 0, memory="") == 1
    assert (
        capsys.readouterr().err == "trainers.try: --run '\\udcff': expected text in UTF-8; write it so, or rename it\n"
    )


@pytest.mark.slow
def test_every_command_says_what_it_takes():
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", f"trainers.{name}", "--help"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in COMMANDS
    }
    for name, process in running.items():
        out, error = process.communicate()
        assert (process.returncode, error) == (0, ""), name
        assert out.startswith(f"usage: python -m trainers.{name} ")
