"""A whole Sigstore of our own for tests: authority, certificate log, transparency log, and bundles that they vouch for.

Formats: sigstore_bundle.proto and sigstore_trustroot.proto of Sigstore's protobuf-specs, RFC 6962 (certificate
timestamps, leaf hashes), and the checkpoint of a signed note.
"""

import base64
import hashlib
import json
import struct
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import rfc8785
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

Key = ec.EllipticCurvePrivateKey
SCT_LIST = ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
ISSUER = ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
ORIGIN = "log.example.com"


def new_key() -> Key:
    return ec.generate_private_key(ec.SECP256R1())


def der(key: Key) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def log_id(key: Key) -> bytes:
    return hashlib.sha256(der(key)).digest()


def sign(key: Key, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@dataclass
class Sigstore:
    """One authority and its two logs; ``moment`` is when it signs."""

    moment: datetime = field(default_factory=lambda: datetime.now(UTC).replace(microsecond=0))
    authority: Key = field(default_factory=new_key)
    certificate_log: Key = field(default_factory=new_key)
    transparency_log: Key = field(default_factory=new_key)

    def __post_init__(self) -> None:
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "example authority")])
        usage = {"digital_signature": False, "content_commitment": False, "key_encipherment": False}
        usage |= {"data_encipherment": False, "key_agreement": False, "encipher_only": False, "decipher_only": False}
        self.root = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(self.authority.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.moment - timedelta(days=30))
            .not_valid_after(self.moment + timedelta(days=30))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.KeyUsage(key_cert_sign=True, crl_sign=True, **usage), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.authority.public_key()), critical=False)
            .sign(self.authority, hashes.SHA256())
        )

    def trusted_root(self) -> bytes:
        """Return what verifiers are configured with."""
        valid = {"start": (self.moment - timedelta(days=30)).isoformat().replace("+00:00", "Z")}

        def log(key: Key) -> dict[str, Any]:
            public = {"rawBytes": b64(der(key)), "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": valid}
            return {
                "baseUrl": f"https://{ORIGIN}",
                "hashAlgorithm": "SHA2_256",
                "publicKey": public,
                "logId": {"keyId": b64(log_id(key))},
            }

        authority = {
            "subject": {"organization": "example", "commonName": "example authority"},
            "uri": "https://authority.example.com",
            "certChain": {"certificates": [{"rawBytes": b64(self.root.public_bytes(Encoding.DER))}]},
            "validFor": valid,
        }
        document = {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.transparency_log)],
            "certificateAuthorities": [authority],
            "ctlogs": [log(self.certificate_log)],
            "timestampAuthorities": [],
        }
        return json.dumps(document).encode()

    def certificate(self, key: Key, identity: str, issuer: str, minutes: tuple[int, int] = (-1, 9)) -> x509.Certificate:
        """Return a certificate for an identity, valid from and until so many minutes from ``moment``."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([]))
            .issuer_name(self.root.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.moment + timedelta(minutes=minutes[0]))
            .not_valid_after(self.moment + timedelta(minutes=minutes[1]))
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True,
                    content_commitment=False,
                    key_encipherment=False,
                    data_encipherment=False,
                    key_agreement=False,
                    key_cert_sign=False,
                    crl_sign=False,
                    encipher_only=False,
                    decipher_only=False,
                ),
                critical=True,
            )
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self.authority.public_key()), critical=False
            )
            .add_extension(x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True)
            .add_extension(
                x509.UnrecognizedExtension(ISSUER, b"\x0c" + bytes([len(issuer)]) + issuer.encode()), critical=False
            )
        )
        without = builder.sign(self.authority, hashes.SHA256()).tbs_certificate_bytes
        listed = x509.UnrecognizedExtension(SCT_LIST, self._timestamps(without))
        return builder.add_extension(listed, critical=False).sign(self.authority, hashes.SHA256())

    def _timestamps(self, tbs: bytes) -> bytes:
        millis = struct.pack(">Q", int(self.moment.timestamp() * 1000))
        entry = b"\x00\x00" + millis + b"\x00\x01" + log_id(self.authority) + len(tbs).to_bytes(3, "big") + tbs
        signature = sign(self.certificate_log, entry + b"\x00\x00")
        timestamp = b"\x00" + log_id(self.certificate_log) + millis + b"\x00\x00\x04\x03"
        timestamp += struct.pack(">H", len(signature)) + signature
        listed = struct.pack(">H", len(timestamp)) + timestamp
        content = struct.pack(">H", len(listed)) + listed
        length = bytes([len(content)]) if len(content) < 128 else b"\x81" + bytes([len(content)])
        return b"\x04" + length + content

    def bundle(self, certificate: x509.Certificate, envelope: dict[str, Any]) -> dict[str, Any]:
        """Return a bundle of an envelope that the certificate's key signed, with an entry in the transparency log."""
        return {
            "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            "verificationMaterial": {
                "certificate": {"rawBytes": b64(certificate.public_bytes(Encoding.DER))},
                "tlogEntries": [self._entry(certificate, envelope)],
            },
            "dsseEnvelope": envelope,
        }

    def _entry(self, certificate: x509.Certificate, envelope: dict[str, Any]) -> dict[str, Any]:
        verifier = b64(certificate.public_bytes(Encoding.PEM))
        payload = base64.b64decode(envelope["payload"])
        spec: dict[str, Any] = {
            "envelopeHash": {"algorithm": "sha256", "value": hashlib.sha256(json.dumps(envelope).encode()).hexdigest()},
            "payloadHash": {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()},
            "signatures": [{"signature": each["sig"], "verifier": verifier} for each in envelope["signatures"]],
        }
        body = rfc8785.dumps({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec})
        root = hashlib.sha256(b"\x00" + body).digest()
        seconds = int(self.moment.timestamp())
        note = f"{ORIGIN}\n1\n{b64(root)}\n"
        mark = b64(log_id(self.transparency_log)[:4] + sign(self.transparency_log, note.encode()))
        promised: dict[str, Any] = {
            "body": b64(body),
            "integratedTime": seconds,
            "logID": log_id(self.transparency_log).hex(),
            "logIndex": 0,
        }
        promise = sign(self.transparency_log, rfc8785.dumps(promised))
        return {
            "logIndex": "0",
            "logId": {"keyId": b64(log_id(self.transparency_log))},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(seconds),
            "inclusionPromise": {"signedEntryTimestamp": b64(promise)},
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": b64(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\u2014 {ORIGIN} {mark}\n"},
            },
            "canonicalizedBody": b64(body),
        }
