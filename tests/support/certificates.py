"""Certificates for tests of TLS, made when the tests run: no key lies in the repository."""

import datetime
import functools
import shutil
import ssl
import subprocess
import tempfile
from pathlib import Path

import pytest
import trustme

DAY = datetime.timedelta(days=1)


class Identity:
    """A certificate and its key, as files in PEM."""

    def __init__(self, folder, name, issued):
        self.certificate = folder / f"{name}.crt"
        self.key = folder / f"{name}.key"
        issued.cert_chain_pems[0].write_to_path(self.certificate)
        issued.private_key_pem.write_to_path(self.key)

    @property
    def binary(self):
        """The certificate as ssl.SSLSocket.getpeercert(binary_form=True) gives it."""
        return ssl.PEM_cert_to_DER_cert(self.certificate.read_text())


class Certificates:
    """An authority, a server and a client that it knows, and some that are to be turned away."""

    def __init__(self, folder):
        self.folder = folder
        self._authority = trustme.CA()
        stranger = trustme.CA()
        self.authority = folder / "ca.crt"
        self._authority.cert_pem.write_to_path(self.authority)
        self.stranger_authority = folder / "stranger.crt"
        stranger.cert_pem.write_to_path(self.stranger_authority)
        self.server = self.issue("server")
        self.client = self.issue("client")
        self.stranger = Identity(folder, "stranger-client", stranger.issue_cert("client"))
        now = datetime.datetime.now(datetime.timezone.utc)
        self.expired = self.issue("expired", not_before=now - 2 * DAY, not_after=now - DAY)

    def issue(self, name, **arguments):
        """A new identity for localhost, of the authority that both sides trust."""
        return Identity(
            self.folder, name, self._authority.issue_cert("localhost", "127.0.0.1", common_name=name, **arguments)
        )

    def options(self, port):
        """What a server needs to serve TLS: every client must show a certificate, as is the default."""
        return {
            "tls-port": port,
            "tls-cert-file": str(self.server.certificate),
            "tls-key-file": str(self.server.key),
            "tls-ca-cert-file": str(self.authority),
        }

    def client_context(self, identity=None, authority=None):
        """For Python's ssl: trusts the authority and shows an identity, False for none."""
        context = ssl.create_default_context(cafile=authority or self.authority)
        context.check_hostname = False
        if identity is not False:
            identity = identity or self.client
            context.load_cert_chain(identity.certificate, identity.key)
        return context


@functools.cache
def certificates():
    """Those of this run of the tests; pytest_unconfigure of conftest.py removes them."""
    return Certificates(Path(tempfile.mkdtemp(prefix="larder-test-tls-")))


def remove_certificates():
    if certificates.cache_info().currsize:
        shutil.rmtree(certificates().folder, ignore_errors=True)


@functools.cache
def has_tls(binary):
    """Was this server built with TLS? One that does not say so is a redis-server, where Debian's is."""
    version = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    return "tls=none" not in version


def need_tls(binary):
    if not has_tls(binary):
        pytest.skip("this server was built without TLS")
