"""What storage refuses with, in one sentence: its client libraries raise errors of a hundred classes."""

import contextlib
import errno
import re
from collections.abc import Iterator

from curation.remote import access

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_THEIRS = {"aiobotocore", "aiohttp", "asyncio", "botocore", "fsspec", "gcsfs", "google", "requests", "s3fs", "urllib3"}
# Names of classes, since none of these libraries has to be installed.
_NO_CREDENTIALS = {
    "CredentialRetrievalError",
    "GoogleAuthError",
    "NoCredentialsError",
    "PartialCredentialsError",
    "ProfileNotFound",
    "SSOError",
    "TokenRetrievalError",
}
_MALFORMED = {"ParamValidationError", "ValueError"}
_SLOW = {"ConnectTimeoutError", "ReadTimeoutError", "TimeoutError"}
_UNREACHABLE = {"ClientConnectionError", "ConnectionError", "HTTPClientError"}
_GCS_BUCKET = re.compile(r"(?:^|/)b/[^/]+/o$")  # the request that gcsfs names when the bucket itself is not found


class StorageError(OSError):
    """Storage refused: the message names the path, what happened and what to do."""


@contextlib.contextmanager
def explained(path: str) -> Iterator[None]:
    """Turns what the libraries raise over a remote path into one sentence; leaves errors over a local one.

    FileNotFoundError where there is no such file, PermissionError where access is denied, StorageError for the rest,
    also where there is no such bucket.
    """
    try:
        yield
    except Exception as error:
        is_ours = isinstance(error, StorageError) or str(error).startswith(path)
        if not access.scheme(path) or is_ours or not _is_theirs(error) or getattr(error, "errno", None) in NO_ROOM:
            raise
        raise _explanation(path, error) from error


def _is_theirs(error: Exception) -> bool:
    return isinstance(error, OSError | ValueError) or type(error).__module__.partition(".")[0] in _THEIRS


def _explanation(path: str, error: Exception) -> OSError:
    names = {kind.__name__ for kind in type(error).__mro__}
    code, said = _code(error), _said(error)
    if code == "NoSuchBucket" or (isinstance(error, FileNotFoundError) and _is_of_bucket(path, error)):
        return StorageError(f"{access.bucket(path)}: there is no such bucket{_at(path)}; check its name")
    if isinstance(error, FileNotFoundError):
        return FileNotFoundError(f"{path}: there is no such file; check the path")
    if "FileExpired" in names:
        return StorageError(f"{path}: changed while it was read; start again")
    if names & _NO_CREDENTIALS:
        return PermissionError(f"{path}: no credentials that work ({said}); {_way_in(path)}")
    if isinstance(error, PermissionError) or code in ("401", "403") or said.startswith("Forbidden: "):
        return PermissionError(f"{path}: access denied ({said.removeprefix('Forbidden: ')}); {_way_in(path)}")
    if names & _SLOW:
        seconds = access.current().patience.timeout
        return StorageError(f"{path}: no answer in time{_at(path)}, {seconds:g} s a request; try again later")
    if names & _UNREACHABLE:
        return StorageError(f"{path}: no connection ({said}); check the network{_endpoints(path)}")
    if names & _MALFORMED:
        return StorageError(f"{path}: cannot be asked for ({said}); check the path{_endpoints(path)}")
    return StorageError(f"{path}: storage refused ({said}); try again later, or check the path")


def _is_of_bucket(path: str, error: FileNotFoundError) -> bool:
    if access.is_s3(path):
        return access.bucket(path) == path.rstrip("/")
    return access.is_gcs(path) and _GCS_BUCKET.search(str(error).partition("?")[0]) is not None


def _code(error: Exception) -> str:
    """The code of the service, which botocore keeps in `response` and gcsfs in `code`."""
    for one in (error, error.__cause__):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return str(getattr(error, "code", ""))


def _said(error: Exception) -> str:
    """What the library says, on one line, with the class where it says nothing."""
    words = " ".join(str(getattr(error, "strerror", None) or error).split())
    return words.rstrip(".;") or type(error).__name__


def _at(path: str) -> str:
    url = access.current().s3_endpoint_url
    return f" at {url}" if url and access.is_s3(path) else ""


def _way_in(path: str) -> str:
    if access.current().is_anonymous(path):
        return "it is not public, so leave out --anonymous and give credentials"
    if access.is_s3(path):
        way = "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, to credentials with rights to it"
    elif access.is_gcs(path):
        way = "set GOOGLE_APPLICATION_CREDENTIALS to credentials with rights to it"
    else:
        way = "give credentials with rights to it"
    return f"{way}, or pass --anonymous to read a public bucket"


def _endpoints(path: str) -> str:
    if access.is_s3(path):
        return " and the endpoint (--s3_endpoint_url or AWS_ENDPOINT_URL)"
    return " and STORAGE_EMULATOR_HOST" if access.is_gcs(path) else ""
