"""What the tests share: a simulator of their own, served over TLS, and a Graph client that has the simulator's address.

Neither the SDK nor the sign-in library is touched. They are told where Graph is through their own arguments, and whom
to trust through the environment variables that their HTTP libraries read.
"""

import asyncio
import dataclasses
import datetime
import ipaddress
import json
import os
import pathlib
import ssl
import subprocess
import tempfile
import threading
import unittest
import urllib.request
from collections.abc import Awaitable, Iterator
from typing import Any

from azure.identity import ClientSecretCredential
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from kiota_abstractions.base_request_configuration import RequestConfiguration
from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
from msgraph import GraphRequestAdapter, GraphServiceClient
from msgraph.generated.models.expiration_pattern import ExpirationPattern
from msgraph.generated.models.expiration_pattern_type import ExpirationPatternType
from msgraph.generated.models.o_data_errors.o_data_error import ODataError
from msgraph.generated.models.request_schedule import RequestSchedule

# Of the estate that the simulator starts with.
TENANT = "9f0c2c1e-0000-4000-8000-000000000001"
CLIENT = "11111111-0000-4000-8000-000000000001"
SECRET = "simulated-secret"
PAYMENTS_OPS = "68e55cce-cf7e-4a2d-9046-3e4e75c4bfa7"
PLATFORM_ADMINS = "68e55cce-0000-4000-8000-000000000003"
ALICE = "a11ce000-0000-4000-8000-000000000001"
BOB = "b0b00000-0000-4000-8000-000000000002"
CAROL = "ca401000-0000-4000-8000-000000000003"
GRACE = "64ace000-0000-4000-8000-000000000007"

# How long the simulator may take to say its address, in seconds.
START_DEADLINE = 30


class Authority:
    """A certificate for loopback, made for this run and trusted by nobody else."""

    def __init__(self, folder: pathlib.Path):
        self.certificate = folder / "loopback.crt"
        self.key = folder / "loopback.key"
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
        loopback = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            crl_sign=False,
            encipher_only=False,
            decipher_only=False,
        )
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(hours=12))
            .add_extension(loopback, critical=False)
            # Clients that check strictly want all three of something that they trust.
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        pem = serialization.Encoding.PEM
        self.certificate.write_bytes(certificate.public_bytes(pem))
        self.key.touch(mode=0o600)
        self.key.write_bytes(
            key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )

    def trust(self) -> None:
        """Makes the HTTP libraries of this process trust the certificate, and reach loopback without a proxy."""
        os.environ["SSL_CERT_FILE"] = str(self.certificate)  # httpx: the SDK
        os.environ["REQUESTS_CA_BUNDLE"] = str(self.certificate)  # requests: the sign-in
        os.environ["NO_PROXY"] = os.environ["no_proxy"] = "127.0.0.1"


class Simulator:
    """The program, on a free port of loopback."""

    def __init__(self, authority: Authority, log: pathlib.Path | None):
        program = os.environ["PIM_SIMULATOR"]
        command = [program, "--tls-cert", authority.certificate, "--tls-key", authority.key]
        if log:
            command += ["--traffic-log", log]
        self._tls = ssl.create_default_context(cafile=str(authority.certificate))
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        # A program that never says its address is ended, and the read below with it.
        overdue = threading.Timer(START_DEADLINE, self._process.kill)
        overdue.start()
        try:
            self.url = self._process.stdout.readline().strip()
        finally:
            overdue.cancel()
        if not self.url:
            self.stop()
            raise RuntimeError(f"{program} did not say where it listens")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def deed(self, **deed: object) -> None:
        """Something that an administrator does, or that the simulator is told to be like."""
        self._tell("estate", deed)

    def fault(self, **fault: object) -> None:
        """Something that goes wrong with the next call that fits."""
        self._tell("faults", fault)

    def _tell(self, what: str, body: object) -> None:
        request = urllib.request.Request(
            f"{self.url}/_simulator/{what}",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, context=self._tls, timeout=30):
            pass


class ClientTest(unittest.IsolatedAsyncioTestCase):
    """A test with a simulator of its own and `self.graph`, the SDK's client, signed in as the estate's application."""

    @classmethod
    def setUpClass(cls) -> None:
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.authority = Authority(pathlib.Path(folder.name))
        cls.authority.trust()

    async def asyncSetUp(self) -> None:
        # unittest turns debugging on, which reports every call that takes a tenth of a second.
        asyncio.get_running_loop().set_debug(False)

    def setUp(self) -> None:
        logs = os.environ.get("PIM_TRAFFIC")
        log = pathlib.Path(logs, f"clients-{self.id()}.jsonl") if logs else None
        self.simulator = Simulator(self.authority, log)
        self.addCleanup(self.simulator.stop)
        self.scope = f"{self.simulator.url}/.default"
        self.graph = self.client()

    def credential(self, secret: str = SECRET, tenant: str = TENANT) -> ClientSecretCredential:
        credential = ClientSecretCredential(
            tenant,
            CLIENT,
            secret,
            authority=self.simulator.url,
            # The documented way into a cloud that Microsoft's list of clouds does not name.
            disable_instance_discovery=True,
        )
        self.addCleanup(credential.close)
        return credential

    def client(self) -> GraphServiceClient:
        """A client of the SDK, set up as for a national cloud: scope and base address are arguments."""
        authentication = AzureIdentityAuthenticationProvider(self.credential(), scopes=[self.scope])
        adapter = GraphRequestAdapter(authentication)
        adapter.base_url = f"{self.simulator.url}/v1.0"
        return GraphServiceClient(request_adapter=adapter)

    def permit(self, *permissions: str) -> None:
        """Leaves the application these permissions only; for a client that has not signed in yet."""
        self.simulator.deed(do="setAppRoles", clientId=CLIENT, appRoles=permissions)

    async def read(self, builder: object, **parameters: object) -> Any:
        """GETs with query parameters; the answer has nothing that the SDK's models do not know."""
        kind = type(builder)
        options = getattr(kind, f"{kind.__name__}GetQueryParameters")(**parameters)
        return self.known(await builder.get(RequestConfiguration(query_parameters=options)))

    def known(self, model: Any) -> Any:
        """The model, after a look for properties that its class has no name for."""
        for part in parts(model):
            strange = [name for name in part.additional_data if not name.startswith("@odata.")]
            self.assertEqual(strange, [], type(part).__name__)
        return model

    async def refused(self, call: Awaitable[object], status: int, code: str) -> str:
        """Awaits a call that Graph refuses with this status and code; returns Graph's message."""
        with self.assertRaises(ODataError) as caught:
            await call
        refusal = caught.exception
        self.assertEqual((refusal.response_status_code, refusal.error.code), (status, code))
        return refusal.error.message


def parts(model: Any) -> Iterator[Any]:
    """A model and all the models in it."""
    if isinstance(model, list):
        for item in model:
            yield from parts(item)
    elif hasattr(model, "additional_data"):
        yield model
        for field in dataclasses.fields(model):
            if field.repr:  # The others are the SDK's own.
                yield from parts(getattr(model, field.name))


def lasting(duration: str) -> RequestSchedule:
    """A schedule that starts now and lasts so long, such as `P30D`.

    The model says timedelta, but the SDK would write one as `30 days, 0:00:00`, which Graph refuses. It passes text on as it
    is, and Microsoft's own samples write text.
    """
    return RequestSchedule(expiration=ExpirationPattern(type=ExpirationPatternType.AfterDuration, duration=duration))


def permanent() -> RequestSchedule:
    """A schedule that starts now and has no end."""
    return RequestSchedule(expiration=ExpirationPattern(type=ExpirationPatternType.NoExpiration))
