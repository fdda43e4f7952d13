"""The exchange: partition files and the runner's shuffle carry the same, from round to round and in whole runs."""

import argparse
import contextlib
import dataclasses
import functools
import shutil

import apache_beam as beam
import numpy as np
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from hypothesis import given, settings
from hypothesis import strategies as st

from curation.remote.access import Access
from pipelines import deduplicate, exchange, extract, launch, options, tasks
from pipelines.exchange import Mailbox
from pipelines.tasks import Round
from tests import plain_c4, plain_launch, test_runners

ROW = np.dtype([("sender", "<i4"), ("place", "<i4"), ("to", "u1")])


@dataclasses.dataclass(frozen=True)
class Part:
    """A task that has a number, as those of a run."""

    number: int


def drawn(seed, sender, partitions):
    """The records of a sender and the partition of each, many of which get nothing."""
    chance = np.random.default_rng([seed, sender])
    rows = np.zeros(chance.integers(0, 9), ROW)
    rows["sender"], rows["place"] = sender, np.arange(len(rows))
    rows["to"] = chance.integers(0, 256, len(rows))
    return rows, chance.integers(0, partitions, len(rows))


def scatter(part, *, folder, seed, partitions):
    path = f"{folder}/keys/{part.number:05d}"
    if exchange.is_sent(path):
        return 0
    rows, to = drawn(seed, part.number, partitions)
    exchange.send(path, rows, to, count=partitions)
    return len(rows)


def gather(partition, *, folder, parts):
    """Sends what it received back in the order in which it came, and one thing by a file."""
    rows = exchange.receive([f"{folder}/keys/{number:05d}" for number in range(parts)], partition, ROW)
    exchange.send(f"{folder}/back/{partition:05d}", rows, rows["to"] % parts, count=parts)
    exchange.send(f"{folder}/aside/{partition:05d}", rows[:1], np.zeros(len(rows[:1]), int), count=1)
    return len(rows)


def close(part, *, folder, partitions, parts):
    """Writes down what came back, and what was sent two rounds before to the partition of the same number."""
    back = exchange.receive([f"{folder}/back/{number:05d}" for number in range(partitions)], part.number, ROW)
    aside = exchange.receive([f"{folder}/aside/{number:05d}" for number in range(partitions)], 0, ROW)
    keys = back[:0]
    if part.number < partitions:
        keys = exchange.receive([f"{folder}/keys/{number:05d}" for number in reversed(range(parts))], part.number, ROW)
    np.save(f"{folder}/{part.number}.npy", np.concatenate([back, aside, keys]))
    return len(back)


def rounds(folder, seed, parts, partitions):
    """From parts to partitions, back to the parts, and on to all but the first."""
    numbers, keys, back = [Part(number) for number in range(parts)], f"{folder}/keys", f"{folder}/back"
    known = functools.partial
    done = known(close, folder=str(folder), parts=parts, partitions=partitions)
    return [
        Round("keys", numbers, known(scatter, folder=str(folder), seed=seed, partitions=partitions), sends=(keys,)),
        Round("back", range(partitions), known(gather, folder=str(folder), parts=parts), (back,), (keys,)),
        Round("closing", numbers[1:], done, receives=(back, keys)),
    ]


def exchanged(folder, carrier, seed, parts, partitions, *, workers=1, in_threads=False):
    """What each part has in the end, and the channels that were files."""
    folder.mkdir()
    args = argparse.Namespace(workers=workers, access=Access(), exchange=carrier)
    launch.run(rounds(folder, seed, parts, partitions), args, PipelineOptions([]), in_children=in_threads)
    held = {path.name: path.read_bytes() for path in folder.glob("*.npy")}
    return held, {path.name for path in folder.iterdir() if path.is_dir()}


def expected(seed, parts, partitions):
    """The same, reading by reading."""
    sent = [list(zip(*drawn(seed, number, partitions), strict=True)) for number in range(parts)]
    keys = [[row for rows in sent for row, to in rows if to == place] for place in range(partitions)]
    aside = [row for rows in keys for row in rows[:1]]
    held = {}
    for number in range(1, parts):
        back = [row for rows in keys for row in rows if row["to"] % parts == number]
        turned = [row for rows in sent[::-1] for row, to in rows if to == number]
        held[number] = [row.tolist() for row in back + aside + turned]
    return held


@given(st.integers(0, 2**32), st.integers(0, 5), st.integers(1, 5), st.randoms(use_true_random=False))
@settings(max_examples=40)
def test_both_carriers_give_the_same_arrays(tmp_path_factory, seed, senders, partitions, order):
    """Whatever the order in which the shuffle brings the pieces."""
    folder = tmp_path_factory.mktemp("exchange") / "keys"
    paths = [f"{folder}/{number:05d}" for number in range(senders)]
    outgoing = Mailbox(0, {}, (str(folder),))
    for number, path in enumerate(paths):
        rows, to = drawn(seed, number, partitions)
        exchange.send(path, rows, to, count=partitions)
        assert exchange.is_sent(path)
        with exchange.shuffled(outgoing):
            assert not exchange.is_sent(path)
            exchange.send(path, rows, to, count=partitions)
    order.shuffle(outgoing.sent)
    order.shuffle(paths)
    for partition in range(partitions):
        received = {sender: content for _, sender, place, content in outgoing.sent if place == partition}
        by_file = exchange.receive(paths, partition, ROW)
        with exchange.shuffled(Mailbox(partition, {str(folder): received}, ())):
            by_shuffle = exchange.receive(paths, partition, ROW)
        assert (by_shuffle.dtype, by_shuffle.tobytes()) == (by_file.dtype, by_file.tobytes())


@pytest.mark.parametrize("seed, parts, partitions", [(1, 5, 3), pytest.param(2, 2, 5, marks=pytest.mark.slow)])
def test_every_record_arrives_in_order(tmp_path_factory, seed, parts, partitions):
    folder = tmp_path_factory.mktemp("exchange")
    by_file, files = exchanged(folder / "files", "files", seed, parts, partitions)
    by_shuffle, left = exchanged(folder / "shuffle", "shuffle", seed, parts, partitions)
    assert by_file == by_shuffle
    assert (files, left) == ({"keys", "back", "aside"}, {"aside"})
    held = {number: np.load(folder / f"shuffle/{number}.npy").tolist() for number in range(1, parts)}
    assert held == expected(seed, parts, partitions)


def test_tasks_side_by_side_get_what_is_theirs(tmp_path):
    """In threads of one process, which must not see each other's mail."""
    exchanged(tmp_path / "shuffle", "shuffle", 7, 9, 5, workers=3, in_threads=True)
    held = {number: np.load(tmp_path / f"shuffle/{number}.npy").tolist() for number in range(1, 9)}
    assert held == expected(7, 9, 5)


@pytest.mark.slow
def test_what_another_pipeline_sent_is_read_from_its_files(tmp_path):
    """A stage whose first round ran before, by file: nothing of this pipeline sends the channel."""
    complete, _ = exchanged(tmp_path / "one", "files", 3, 4, 3)
    args = argparse.Namespace(workers=1, access=Access(), exchange="shuffle")
    (tmp_path / "two").mkdir()
    shutil.copytree(tmp_path / "one/keys", tmp_path / "two/keys")
    launch.run(rounds(tmp_path / "two", 3, 4, 3)[1:], args, PipelineOptions([]))
    assert {path.name: path.read_bytes() for path in (tmp_path / "two").glob("*.npy")} == complete


@pytest.mark.slow
def test_the_shuffle_sends_anew_what_lies_there_as_files(tmp_path):
    """An earlier run by file was stopped: its files are not what the shuffle brings to the next round."""
    complete, _ = exchanged(tmp_path / "one", "files", 3, 4, 3)
    (tmp_path / "two").mkdir()
    shutil.copytree(tmp_path / "one/keys", tmp_path / "two/keys")
    for path in (tmp_path / "two/keys").iterdir():
        path.write_bytes(b"")
    args = argparse.Namespace(workers=1, access=Access(), exchange="shuffle")
    launch.run(rounds(tmp_path / "two", 3, 4, 3), args, PipelineOptions([]))
    assert {path.name: path.read_bytes() for path in (tmp_path / "two").glob("*.npy")} == complete


def test_a_mailbox_holds_one_value_for_each_partition_that_gets_any():
    rows = np.arange(5, dtype="<u2")
    mailbox = Mailbox(1, {"in": {"b": rows[:2].tobytes(), "a": rows[2:].tobytes()}}, ("out",))
    with exchange.shuffled(mailbox):
        exchange.send("out/x", rows, np.array([6, 2, 6, 2, 6]), count=7)
        assert exchange.receive(["in/a", "in/b", "in/none"], 1, rows.dtype).tolist() == [2, 3, 4, 0, 1]
        with pytest.raises(AssertionError):
            exchange.receive(["in/a"], 0, rows.dtype)
    assert mailbox.sent == [("out", "x", 2, rows[1::2].tobytes()), ("out", "x", 6, rows[::2].tobytes())]


@pytest.mark.parametrize("partitions", [[0, 3], [-1, 0], [0]])
@pytest.mark.parametrize("sends", [(), ("out",)])
def test_a_partition_that_is_none_is_our_mistake(partitions, sends, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with exchange.shuffled(Mailbox(0, {}, sends)), pytest.raises(AssertionError):
        exchange.send("out/x", np.zeros(2), np.array(partitions), count=3)


def test_files_are_the_carrier_on_this_machine_alone():
    flags = options.parser("curate", "")
    given = {"files": ["--exchange", "files"], "shuffle": ["--exchange", "shuffle"], "default": []}
    chosen = {}
    for name, more in given.items():
        for runner in ("DirectRunner", "PortableRunner"):
            command = ["--input", "a", "--output", "b", f"--runner={runner}", *more]
            chosen[name, runner] = options.shuffles(*options.split(flags, command))
    assert [place for place, shuffles in chosen.items() if shuffles] == [
        ("shuffle", "DirectRunner"),
        ("shuffle", "PortableRunner"),
        ("default", "PortableRunner"),
    ]


def test_nothing_but_packed_records_is_grouped(tmp_path):
    """Every value that a round groups is a number, a name and bytes; channels go past rounds that want none of them."""
    pipeline = beam.Pipeline()
    tasks.build(pipeline, rounds(tmp_path, 0, 3, 2), Access(), shuffle=True)
    graph = pipeline.to_runner_api().components

    def coder(name):
        found = graph.coders[name]
        inner = ",".join(map(coder, found.component_coder_ids))
        return found.spec.urn.split(":")[2] + (f"({inner})" if inner else "")

    grouped = {
        it.unique_name: coder(graph.pcollections[place].coder_id)
        for it in graph.transforms.values()
        if it.spec.urn == "beam:transform:group_by_key:v1"
        for place in it.inputs.values()
    }
    counts = {name: grouped.pop(name) for name in list(grouped) if name.startswith("Count ")}
    assert set(counts.values()) == {"kv(pickled_python,varint)"}  # how many rows a round has written
    assert grouped == dict.fromkeys(
        [f"{name}/GroupByKey" for name in ("keys", "back", "closing")], "kv(varint,tuple(varint,string_utf8,bytes))"
    )


RECIPE = """\
import dataclasses
from curation.dedup.exact import ExactDuplicates
from curation.dedup.lines import RepeatedLines
from curation.dedup.minhash import NearDuplicates
from curation.dedup.pages import NewestPage
from curation.extract import ExtractText
from curation.recipe import Recipe
from curation.top_share import TopShare


@dataclasses.dataclass(frozen=True)
class Size:
    least: int = 40

    def measure(self, text):
        return {"size": len(text.content)}

    def reason(self, signals):
        return ("too_small", "size") if signals["size"] < self.least else None


RECIPE = Recipe("exchange", "a test", (ExtractText(), STEPS))
"""
KEYED = "NewestPage(), RepeatedLines(), Size(), TopShare('size', 0.5)"
TEXTS = "ExactDuplicates(), NearDuplicates(), RepeatedLines(), Size(), TopShare('size', 0.5)"
SHUFFLE = ["--exchange", "shuffle"]


@contextlib.contextmanager
def in_this_process():
    """Without Beam, tasks in no order: the rounds and what they send are the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch, "run", functools.partial(plain_launch.run, seed="exchange"))
        yield


class Extracted:
    """Three archives that are extracted already, for the second stage to be run on, again and again."""

    def __init__(self, folder, steps):
        self.folder = folder
        for name, content in plain_c4.wet_files(5, files=3, pages=30).items():
            (folder / name).write_bytes(content)
        (folder / "recipe.py").write_text(RECIPE.replace("STEPS", steps))
        self.flags = ["--input", f"{folder}/*.wet.gz", "--recipe", f"{folder}/recipe.py", "--vocab-size", "512"]
        with in_this_process():
            assert extract.main([*self.flags, "--output", f"{folder}/extracted", "--workers", "1"]) == 0

    def curated(self, name, flags):
        """The folder that the second stage makes."""
        output = self.folder / name
        if not output.exists():
            shutil.copytree(self.folder / "extracted", output)
        assert deduplicate.main([*self.flags, "--output", str(output), *flags]) == 0
        return output


def made(output):
    """The files of the corpus, without what only its making needs."""
    return {name: content for name, content in test_runners.contents(output).items() if not name.startswith("work/")}


@pytest.mark.slow
@pytest.mark.parametrize("steps", [KEYED, TEXTS], ids=["keyed", "texts"])
def test_by_shuffle_the_corpus_is_the_same(steps, tmp_path):
    """With one worker and with three, and on the two other runners of Beam that run here."""
    extracted = Extracted(tmp_path, steps)
    with in_this_process():
        by_file = made(extracted.curated("files", ["--workers", "1"]))
        outputs = [extracted.curated("shuffle-1", [*SHUFFLE, "--workers", "1"])]
    assert sum(name.startswith("documents/") for name in by_file) == 3
    if steps == KEYED:
        outputs.append(extracted.curated("shuffle-3", [*SHUFFLE, "--workers", "3"]))
    for output in outputs:
        assert made(output) == by_file
        left = {path.suffix for path in output.glob("work/*/pass-*/**/*") if path.is_file()}
        assert steps == TEXTS or left == {".parquet"}  # parts of the passes before the last, and no records
    if steps == KEYED:
        assert made(extracted.curated("bundles", ["--runner=BundleBasedDirectRunner"])) == by_file
    else:
        with test_runners.job_server(tmp_path) as remote:
            assert made(extracted.curated("portable", remote)) == by_file


@pytest.mark.slow
def test_a_run_by_shuffle_that_was_stopped_goes_on_by_either_carrier(tmp_path):
    """Parts of two passes are gone, as where a run was killed before it made them; the others are not made again."""
    extracted = Extracted(tmp_path, KEYED)
    with in_this_process():
        output = extracted.curated("shuffle", [*SHUFFLE, "--workers", "1"])
    complete = made(output)
    for flags in (SHUFFLE, ["--exchange", "files"]):
        first, second, _ = sorted(output.glob("documents/*.parquet"))
        (early,) = output.glob(f"work/*/pass-1/documents/{second.name}")
        for path in (first, second, early):
            path.unlink()
        (kept,) = output.glob(f"work/*/pass-1/documents/{first.name}")
        before = kept.stat().st_mtime_ns
        with in_this_process():
            assert made(extracted.curated("shuffle", [*flags, "--workers", "1"])) == complete
        assert kept.stat().st_mtime_ns == before
