"""The same corpus from other storage and other runners; no network but the loopback."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import boto3
import fsspec
import gcp_storage_emulator.server
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from moto.server import ThreadedMotoServer

from curation import storage
from pipelines import curate
from tests import prose, warc_builder

PART = "part-00001-of-00002.parquet"
DATAFLOW = [
    "--runner=DataflowRunner",
    "--project=some-project",
    "--region=us-central1",
    "--job_name=curate",
    "--temp_location=gs://some-bucket/temp",
    "--staging_location=gs://some-bucket/staging",
    "--dry_run=True",
]


@pytest.fixture
def archives(tmp_path: Path) -> Path:
    """Two small archives."""
    folder = tmp_path / "archives"
    folder.mkdir()
    for number in range(2):
        pages = [prose.page(prose.text(number * 10 + place % 4)) for place in range(5)]  # the fifth repeats the first
        records = [
            warc_builder.response(page, url=f"http://site{number}-{place}.example/") for place, page in enumerate(pages)
        ]
        (folder / f"crawl-{number}.warc.gz").write_bytes(warc_builder.archive(records))
    return folder


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that speaks S3, and an empty bucket on it."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "id",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()
    boto3.client("s3").create_bucket(Bucket="corpora")
    yield "s3://corpora"
    server.stop()


@pytest.fixture
def gcs(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server that speaks for Google Cloud Storage, and an empty bucket on it."""
    server = gcp_storage_emulator.server.create_server("127.0.0.1", 0, in_memory=True, default_bucket="corpora")
    server.start()
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://127.0.0.1:{server._api._httpd.server_port}")
    yield "gs://corpora"
    server.stop()


def contents(folder: Path) -> dict[str, bytes]:
    """Files that must be the same, by name."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }


@pytest.mark.slow
def test_s3_in_and_out(archives, s3, tmp_path):
    """Two workers, which are processes of their own, read from S3 and write to it what a local run writes."""
    flags = ["--vocab-size", "300", "--workers", "2"]
    assert curate.main(["--input", f"{archives}/*.warc.gz", "--output", str(tmp_path / "local"), *flags]) == 0
    for path in archives.iterdir():
        fsspec.filesystem("s3").put_file(str(path), f"{s3}/crawl/{path.name}")
    assert curate.main(["--input", f"{s3}/crawl/*.warc.gz", "--output", f"{s3}/corpus", *flags]) == 0

    fsspec.filesystem("s3").get(f"{s3}/corpus", str(tmp_path / "fetched"), recursive=True)
    local, fetched = contents(tmp_path / "local"), contents(tmp_path / "fetched")
    assert fetched.keys() == local.keys()
    assert len(local) == 2 * (6 + 2) + 1
    assert fetched["tokenizer.json"] == local["tokenizer.json"]
    for name in local:
        if name.startswith("documents/"):  # all but the path of the archive, which each row names as it was given
            mine, theirs = (
                pq.read_table(tmp_path / folder / name).drop_columns("warc") for folder in ("local", "fetched")
            )
            assert mine.equals(theirs) and mine.num_rows == 4
    assert curate.main(["--input", f"{s3}/crawl/*.warc.gz", "--output", f"{s3}/corpus", *flags]) == 1  # it is finished

    fsspec.filesystem("s3").rm(
        [f"{s3}/corpus/manifest.json", f"{s3}/corpus/filtered/{PART}", f"{s3}/corpus/documents/{PART}"]
    )
    assert curate.main(["--input", f"{s3}/crawl/*.warc.gz", "--output", f"{s3}/corpus", *flags]) == 0
    fsspec.filesystem("s3").get(f"{s3}/corpus", str(tmp_path / "again"), recursive=True)
    assert contents(tmp_path / "again") == fetched


@pytest.mark.slow
@pytest.mark.parametrize("workers", ["2"])
def test_google_cloud_storage_in_and_out(gcs, workers, sample_flags, sample_corpus, tmp_path):
    """One worker, in this process, or two of their own make of a bucket what a local run makes of a folder."""
    for path in Path(sample_flags[1]).parent.glob("*.warc.gz"):
        with storage.publish(f"{gcs}/crawl/{path.name}") as temporary:
            shutil.copy(path, temporary)
    flags = ["--input", f"{gcs}/crawl/*.warc.gz", *sample_flags[2:], "--output", f"{gcs}/corpus", "--workers", workers]
    assert curate.main(flags) == 0

    expected = contents(sample_corpus)
    for entry in storage.glob(f"{gcs}/corpus/**"):
        copy = tmp_path / entry.path.removeprefix(f"{gcs}/corpus/")
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(storage.read_range(entry.path, 0, entry.size))
    found = contents(tmp_path)
    assert found.keys() == expected.keys()
    assert found["tokenizer.json"] == expected["tokenizer.json"]
    for name in found.keys() - {"tokenizer.json"}:
        assert rows(tmp_path / name).equals(rows(sample_corpus / name)), name


def rows(path: Path) -> pa.Table:
    """What a part or shard holds, but for the path of the archive, which each row names as it was given."""
    table = pq.read_table(path) if path.suffix == ".parquet" else pa.ipc.open_file(str(path)).read_all()
    return table.drop_columns("warc")


@contextlib.contextmanager
def job_server(folder: Path) -> Iterator[list[str]]:
    """Beam's job server in a process of its own, by the flags of a run on it."""
    server = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "apache_beam.runners.portability.local_job_service_main",
            "--port_file",
            folder / "port",
            "--port",
            "0",
        ],
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (folder / "port").exists():
            assert server.poll() is None
        port = (folder / "port").read_text()
        yield ["--runner=PortableRunner", f"--job_endpoint=localhost:{port}", "--environment_type=LOOPBACK"]
    finally:
        server.kill()
        server.wait()


@pytest.mark.slow
def test_portable_runner_gives_the_same_bytes(archives, tmp_path):
    """Stages are serialized and sent, as to Flink or Spark, and keys go through the runner's shuffle."""
    flags = ["--input", f"{archives}/*.warc.gz", "--vocab-size", "300"]
    assert curate.main([*flags, "--output", str(tmp_path / "local"), "--workers", "1"]) == 0
    with job_server(tmp_path) as remote:
        assert curate.main([*flags, "--output", str(tmp_path / "portable"), *remote]) == 0
    assert contents(tmp_path / "portable") == contents(tmp_path / "local")


@pytest.mark.slow
def test_dataflow_translates_every_stage(archives):
    """In a process of its own, since the Dataflow runner asks the network who it is unless told not to."""
    command = [sys.executable, "-m", "pipelines.curate", "--input", f"{archives}/*.warc.gz"]
    command += ["--output", "gs://some-bucket/corpus", *DATAFLOW]
    run = subprocess.run(
        command, env={**os.environ, "NO_GCE_CHECK": "true"}, capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines()[1:] == [
        "extract: translated, not run",
        "deduplicate: translated, not run",
        "tokenize: translated, not run",
    ]
