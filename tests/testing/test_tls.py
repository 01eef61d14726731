import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import redis

from django_redis_patterns.testing.proxy import FaultProxy
from django_redis_patterns.testing.sentinel import SentinelTrio
from django_redis_patterns.testing.servers import RedisServer, ServerError, find_server, has_tls
from django_redis_patterns.testing.tls import Authority
from django_redis_patterns.testing.waiting import until

needs_tls = pytest.mark.skipif(not has_tls(), reason=f"{find_server()} was built without TLS")


@pytest.fixture(scope="module")
def authority() -> Iterator[Authority]:
    pytest.importorskip("trustme", reason="trustme, which makes certificates, is not installed")
    with Authority() as authority:
        yield authority


@pytest.fixture(scope="module")
def server(authority: Authority) -> Iterator[RedisServer]:
    with RedisServer(tls=authority) as server:
        yield server


@needs_tls
def test_a_client_that_trusts_the_authority_is_served(server, authority):
    assert server.url.startswith("rediss://")
    with redis.Redis.from_url(server.url, protocol=2, ssl_ca_certs=authority.ca_file) as client:
        assert client.ping()
    assert server.connection == {"URL": server.url, "CA_FILE": authority.ca_file}


@needs_tls
def test_a_client_that_does_not_trust_the_authority_is_not(server):
    with redis.Redis.from_url(server.url, protocol=2) as client, pytest.raises(redis.ConnectionError, match="CERTIFI"):
        client.ping()


@needs_tls
def test_another_authority_is_another(server):
    with (
        Authority() as other,
        server.client(ssl_ca_certs=other.ca_file) as client,
        pytest.raises(redis.ConnectionError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.ping()


@needs_tls
def test_nothing_but_tls_is_spoken(server):
    with redis.Redis(port=server.port, protocol=2, retry=None) as client, pytest.raises(redis.ConnectionError):
        client.ping()


@needs_tls
def test_a_server_may_want_certificates_of_its_clients(authority):
    mine = authority.issue()
    with RedisServer(tls=authority, options=["--tls-auth-clients", "yes"]) as server:
        with server.client(ssl_certfile=mine.cert_file, ssl_keyfile=mine.key_file) as client:
            assert client.ping()
        with server.client() as client, pytest.raises(redis.ConnectionError):
            client.ping()


@needs_tls
def test_a_proxy_passes_tls_on(server, authority):
    with FaultProxy(server.port) as proxy:
        url = proxy.url.replace("redis:", "rediss:")
        with redis.Redis.from_url(url, protocol=2, ssl_ca_certs=authority.ca_file) as client:
            assert client.ping()
            assert proxy.commands == 0
            proxy.refuse()
            client.connection_pool.disconnect()
            with pytest.raises(redis.ConnectionError):
                client.ping()


@needs_tls
def test_a_trio_speaks_tls_to_all(authority):
    with SentinelTrio(tls=authority) as trio:
        old = trio.kill_primary()
        with trio.wait_for_failover(old).client() as client:
            assert client.set("a", "1", ex=60)
        assert trio.connection["CA_FILE"] == authority.ca_file


def test_a_server_without_tls_is_an_error(authority, monkeypatch, tmp_path):
    plain = tmp_path / "plain"
    plain.write_text('#!/bin/sh\necho "*** FATAL CONFIG FILE ERROR *** >>> \'tls-port \\"0\\"\'"\nexit 1\n')
    plain.chmod(0o755)
    with pytest.raises(ServerError, match="without TLS"):
        RedisServer(str(plain), tls=authority)


def test_an_authority_removes_what_it_wrote():
    pytest.importorskip("trustme")
    with Authority() as authority:
        assert Path(authority.issue().key_file).exists()
    assert not Path(authority.ca_file).parent.exists()


FORGETFUL = """
import sys
from django_redis_patterns.testing.tls import Authority
authority = Authority()
print(authority.ca_file, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", [subprocess.Popen.communicate, subprocess.Popen.terminate, subprocess.Popen.kill])
def test_what_an_authority_wrote_does_not_outlive_its_process(end: Callable[[subprocess.Popen[str]], object]):
    pytest.importorskip("trustme")
    words = [sys.executable, "-c", FORGETFUL]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        folder = Path(process.stdout.readline()).parent
        assert folder.exists()
        end(process)
    until(lambda: not folder.exists(), "The folder is still there.")


def test_what_an_authority_wrote_goes_with_it():
    pytest.importorskip("trustme")
    folder = Path(Authority().ca_file).parent
    gc.collect()
    assert not folder.exists()


def test_without_trustme_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(ModuleNotFoundError, match="pip install trustme"):
        Authority()
