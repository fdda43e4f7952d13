import pytest
from hypothesis import given
from hypothesis import strategies as st

from curation import urls


@pytest.mark.parametrize(
    "url, host",
    [
        ("http://example.org/a", "example.org"),
        ("https://www.Example.ORG:8080/a?b#c", "example.org"),
        ("http://user:secret@example.org/", "example.org"),
        ("http://www.www.example.org/", "www.example.org"),
        ("http://wwwexample.org/", "wwwexample.org"),
        ("http://example.org./", "example.org"),
        (" http://example.org/a ", "example.org"),
        ("http://sub.example.org", "sub.example.org"),
        ("http://münchen.de/", "münchen.de"),
        ("http://192.0.2.1/a", "192.0.2.1"),
        ("http://[2001:db8::1]:80/a", "2001:db8::1"),
        ("http://[2001:db8::1/a", "http://[2001:db8::1/a"),
        ("dns:example.org", "dns:example.org"),
        ("/a/b", "/a/b"),
        ("", ""),
        ("http:///a", "http:///a"),
        ("http://example.org:port/", "example.org"),
    ],
)
def test_host(url, host):
    assert urls.host(url) == host


@given(path=st.text(max_size=20), share=st.floats(0, 1), scheme=st.sampled_from(["http", "https", "HTTP"]))
def test_validation_is_decided_by_the_host_alone(path, share, scheme):
    expected = urls.is_validation("http://example.org/", share)
    assert urls.is_validation(f"{scheme}://www.EXAMPLE.org/{path}", share) is expected


@given(url=st.text(max_size=30))
def test_nothing_and_everything(url):
    assert urls.is_validation(url, 0.0) is False
    assert urls.is_validation(url, 1.0) is True


@given(url=st.text(max_size=30), small=st.floats(0, 1), large=st.floats(0, 1))
def test_a_larger_share_holds_the_smaller(url, small, large):
    small, large = sorted([small, large])
    assert urls.is_validation(url, large) or not urls.is_validation(url, small)


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5])
def test_the_share_is_that_of_hosts(share):
    """Binomial over 20,000 hosts; 5 sigma."""
    count = 20_000
    found = sum(urls.is_validation(f"http://host{number}.example/", share) for number in range(count))
    assert abs(found - count * share) < 5 * (count * share * (1 - share)) ** 0.5


def test_the_split_never_moves():
    """A host that changes sides between versions would leak validation text into training."""
    hosts = [f"http://host{number}.example/" for number in range(40)]
    assert [number for number, url in enumerate(hosts) if urls.is_validation(url, 0.1)] == [1, 19, 31, 36]
