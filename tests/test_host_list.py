import hashlib

import pytest

from curation.host_list import KeepHosts
from curation.rules.rule import UrlRule


@pytest.fixture
def listed(tmp_path):
    path = tmp_path / "hosts.txt"
    path.write_text("# news\n\nexample.org\nWWW.News.Example.com.\n", "utf-8")
    return path


@pytest.mark.parametrize(
    "url, host",
    [
        ("http://example.org/a", None),
        ("https://www.example.org:8080/", None),
        ("http://sub.sub.EXAMPLE.org/", None),
        ("http://notexample.org/", "notexample.org"),
        ("http://example.org.example.net/", "example.org.example.net"),
        ("http://news.example.com/", None),
        ("http://www.news.example.com/", None),
        ("http://example.com/", "example.com"),
        ("http://old.example.com/", "old.example.com"),
        ("http://org/", "org"),
        ("", ""),
    ],
)
def test_hosts_and_all_below_them(listed, url, host):
    rule = KeepHosts(str(listed))
    assert isinstance(rule, UrlRule)
    assert rule.judge(url) == (None if host is None else ("unlisted_host", None, host))


def test_a_digest_says_which_list_it_is(listed):
    KeepHosts(str(listed), hashlib.sha256(listed.read_bytes()).hexdigest()).check()
    with pytest.raises(ValueError, match=r"KeepHosts.*has sha256 .*expected 0000.*rowanz/grover"):
        KeepHosts(str(listed), "0" * 64).check()
    with pytest.raises(ValueError, match=r"KeepHosts.*no_such.txt.*cannot be read.*rowanz/grover.*one a line"):
        KeepHosts(str(listed.parent / "no_such.txt")).check()


def test_a_long_host_is_no_trouble(listed):
    rule = KeepHosts(str(listed))
    reason, _, evidence = rule.judge("http://" + "a." * 100_000 + "example/")
    assert (reason, len(evidence)) == ("unlisted_host", 200)
