"""How this process reaches buckets: at which endpoint, with whose credentials, and with how much patience."""

import dataclasses
import importlib
import logging
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import fsspec

if TYPE_CHECKING:
    from curation.remote.fetch import Patience

_TO_CONNECT = 20.0  # seconds; a host that takes longer is not there
_SLOWEST = 64 << 10  # bytes a second
_S3, _GCS = ("s3", "s3a"), ("gs", "gcs")


def _patience() -> "Patience":
    from curation.remote.fetch import (
        Patience,  # here, because fetch reports with the StorageError of storage, which needs us
    )

    return Patience()


@dataclasses.dataclass(frozen=True)
class Access:
    """Credentials, endpoint and patience for remote storage; what is empty comes from the environment as usual."""

    anonymous: bool = False  # read `input_buckets` without credentials
    input_buckets: tuple[str, ...] = ()  # such as "s3://bucket"; other buckets keep their credentials
    s3_endpoint_url: str = ""
    s3_region_name: str = ""
    s3_access_key_id: str = dataclasses.field(default="", repr=False)
    s3_secret_access_key: str = dataclasses.field(default="", repr=False)
    s3_session_token: str = dataclasses.field(default="", repr=False)
    patience: "Patience" = dataclasses.field(default_factory=_patience)

    def is_anonymous(self, path: str) -> bool:
        """Whether `path` lies in a bucket that is read without credentials."""
        return self.anonymous and any(f"{path}/".startswith(f"{own.rstrip('/')}/") for own in self.input_buckets)


_access: Access | None = None


def use(access: Access) -> None:
    """Makes this process keep to `access` from now on, for HTTP as well."""
    from curation.remote import fetch  # see _patience

    global _access
    _access = access
    fetch.use(access.patience)


def current() -> Access:
    """What this process keeps to."""
    return _access or Access()


def scheme(path: str) -> str:
    """The kind of storage, such as `s3`; empty for this machine's disk."""
    name, separator, _ = path.partition("://")
    return "" if not separator or name == "file" else name


def is_s3(path: str) -> bool:
    """Whether `path` lies on S3 or a storage that speaks its language."""
    return scheme(path) in _S3


def is_gcs(path: str) -> bool:
    """Whether `path` lies on Google Cloud Storage."""
    return scheme(path) in _GCS


def bucket(path: str) -> str:
    """The bucket that holds a remote path, such as `s3://bucket`."""
    name, _, rest = path.partition("://")
    return f"{name}://{rest.partition('/')[0]}"


def buckets(paths: Iterable[str]) -> tuple[str, ...]:
    """The buckets that hold those of the paths that lie in one, each once."""
    return tuple(sorted({bucket(path) for path in paths if is_s3(path) or is_gcs(path)}))


def filesystem(path: str, *, writing: bool = False) -> tuple[Any, str]:
    """The fsspec file system for `path`, and the path as it wants it; never an anonymous one for writing.

    ValueError where there is none for this kind of path, or its package is not installed.
    """
    if not scheme(path):
        return fsspec.filesystem("file"), os.path.abspath(path.removeprefix("file://"))
    access = current()
    anonymous = access.is_anonymous(path) and not writing
    try:
        if not is_s3(path) and not is_gcs(path):
            return _other(path)
        found = _s3(access, anonymous) if is_s3(path) else _gcs(access, anonymous)
    except ImportError as error:
        extra = "gcp" if is_gcs(path) else "aws" if is_s3(path) else None
        way = f"pip install '.[{extra}]'" if extra else "install the fsspec package for it"
        raise ValueError(f"{path}: this storage needs a package that is not installed; {way} ({error})") from None
    return found, found._strip_protocol(path)


def in_time(filesystem: Any, size: int = 0) -> dict[str, float]:
    """The keyword that ends a call of `filesystem` that gets nowhere, where it knows one; `size` bytes are moved.

    It bounds what the timeouts of single requests do not: search for credentials, retries, a body that drips.
    """
    patience = current().patience
    return {"timeout": patience.attempts * patience.timeout + size / _SLOWEST} if filesystem.async_impl else {}


def _s3(access: Access, anonymous: bool) -> Any:
    patience = access.patience
    # s3fs tries again on its own what botocore has given up, which is what mends a body that breaks off half-way.
    tries = 2 if patience.attempts > 1 else 1
    options: dict[str, Any] = {
        "anon": anonymous,
        "config_kwargs": {
            "connect_timeout": min(_TO_CONNECT, patience.timeout),
            "read_timeout": patience.timeout,
            "retries": {"total_max_attempts": max(1, patience.attempts // tries), "mode": "standard"},
        },
    }
    if access.s3_endpoint_url:
        options["endpoint_url"] = access.s3_endpoint_url
    if access.s3_region_name:
        options["client_kwargs"] = {"region_name": access.s3_region_name}
    if access.s3_access_key_id and not anonymous:
        options |= {"key": access.s3_access_key_id, "secret": access.s3_secret_access_key}
        options["token"] = access.s3_session_token or None
    # Without the cache of listings, in which files that other processes publish never appear.
    found = importlib.import_module("s3fs").S3FileSystem(use_listings_cache=False, **options)
    found.retries = tries
    return found


def _gcs(access: Access, anonymous: bool) -> Any:
    timeout = access.patience.timeout
    # The class that gcsfs offers first asks a second service, over gRPC, what kind of bucket each one is: up to a
    # minute where only storage itself can be reached.
    core = importlib.import_module("gcsfs.core")
    aiohttp = importlib.import_module("aiohttp")
    logging.getLogger("gcsfs").setLevel(logging.CRITICAL)  # it logs tracebacks of what it then raises
    emulated = os.environ.get("STORAGE_EMULATOR_HOST", "default") not in ("", "default")
    return core.GCSFileSystem(
        # Its own search for credentials takes 42 s where none are found, and then goes on without any.
        token="anon" if anonymous or emulated else "google_default",
        requests_timeout=aiohttp.ClientTimeout(total=None, sock_connect=min(_TO_CONNECT, timeout), sock_read=timeout),
        use_listings_cache=False,
    )


def _other(path: str) -> tuple[Any, str]:
    try:
        found, inner = fsspec.core.url_to_fs(path, use_listings_cache=False)
    except ValueError as error:
        raise ValueError(
            f"{path}: unknown kind of storage ({error}); use a local path, gs://, s3:// or https://"
        ) from None
    return found, inner
