"""Certificates for servers on this machine, by an authority that only the test trusts."""

import subprocess
import tempfile
import weakref
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

# End of input means that whoever made the folder is gone, even by SIGKILL.
WATCHER = 'read -r end; rm -rf "$1"'


class Certificate(NamedTuple):
    """The paths of a certificate and of its private key."""

    cert_file: str
    key_file: str


class Authority:
    """Signs certificates of 127.0.0.1 and localhost; to be closed, or used in a ``with``.

        with Authority() as authority, RedisServer(tls=authority) as server:
            redis.Redis.from_url(server.url, ssl_ca_certs=authority.ca_file)

    What it wrote is gone after `close`, when nobody holds it any more, and also when this process ends in any way,
    SIGKILL included; a server's certificate goes with the server. Raises `ModuleNotFoundError` without the package
    `trustme`.
    """

    def __init__(self) -> None:
        try:
            import trustme
        except ModuleNotFoundError:
            raise ModuleNotFoundError("Certificates for tests are made by trustme: pip install trustme") from None
        self._ca = trustme.CA()
        self._folder = tempfile.mkdtemp(prefix="redis-tls-")
        words = ["/bin/sh", "-c", WATCHER, "sh", self._folder]
        watcher = subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True)
        self._end = weakref.finalize(self, watcher.communicate)
        self.ca_file = f"{self._folder}/ca.pem"
        self._ca.cert_pem.write_to_path(self.ca_file)

    def issue(self, folder: Path | None = None) -> Certificate:
        """Write a new certificate, good for a server and for a client, into *folder*, else into the authority's own."""
        place = tempfile.mkdtemp(dir=folder or self._folder, prefix="tls-")
        issued = self._ca.issue_cert("127.0.0.1", "localhost")
        certificate = Certificate(f"{place}/cert.pem", f"{place}/key.pem")
        issued.private_key_pem.write_to_path(certificate.key_file)
        for part in issued.cert_chain_pems:
            part.write_to_path(certificate.cert_file, append=True)
        return certificate

    def close(self) -> None:
        self._end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
