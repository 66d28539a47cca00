"""Sign what a pipeline knows of what it built, as in-toto statements in DSSE envelopes.

Usage: attest.py --sbom FILE --checks WORDS (--image NAME@DIGEST | --folder DIR) OUTPUT

Writes provenance.json, sbom.json and tests.json into OUTPUT. The private key (PEM, EC P-256) is in ATTESTATION_KEY; the
openssl command signs with it. Nothing but Python's standard library is needed.
"""

import argparse
import base64
import hashlib
import json
import os
import subprocess
import tempfile
from pathlib import Path

PAYLOAD_TYPE = "application/vnd.in-toto+json"


def main() -> None:
    parser = argparse.ArgumentParser(description="Sign what a pipeline knows of what it built.")
    parser.add_argument("--sbom", type=Path, required=True)
    parser.add_argument("--checks", type=str.split, required=True)
    parser.add_argument("--image")
    parser.add_argument("--folder", type=Path)
    parser.add_argument("output", type=Path)
    arguments = parser.parse_args()
    subjects = subjects_of(arguments.image, arguments.folder)
    predicates = {
        "provenance": ("https://slsa.dev/provenance/v1", provenance(os.environ)),
        "sbom": ("https://cyclonedx.org/bom", json.loads(arguments.sbom.read_text("utf-8"))),
        "tests": ("https://in-toto.io/attestation/test-result/v0.1", tests(os.environ, arguments.checks)),
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        key = Path(folder) / "key.pem"
        key.touch(mode=0o600)
        key.write_text(os.environ["ATTESTATION_KEY"].replace("\\n", "\n"), "utf-8")
        for name, (predicate_type, predicate) in predicates.items():
            statement = {
                "_type": "https://in-toto.io/Statement/v1",
                "subject": subjects,
                "predicateType": predicate_type,
                "predicate": predicate,
            }
            envelope = signed(json.dumps(statement, sort_keys=True).encode(), key)
            (arguments.output / f"{name}.json").write_text(json.dumps(envelope), "utf-8")


def subjects_of(image: str | None, folder: Path | None) -> list[dict]:
    if image:
        name, _, digest = image.partition("@sha256:")
        if not digest:
            raise SystemExit(f"{image} is not of the form NAME@sha256:DIGEST.")
        return [{"name": name, "digest": {"sha256": digest}}]
    files = sorted(path for path in (folder or Path("dist")).iterdir() if path.is_file())
    if not files:
        raise SystemExit("There is nothing to attest: the folder holds no files.")
    return [{"name": path.name, "digest": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}} for path in files]


def provenance(variables: dict) -> dict:
    source = {
        "uri": f"git+{variables['BUILD_REPOSITORY_URI']}@{variables['BUILD_SOURCEBRANCH']}",
        "digest": {"gitCommit": variables["BUILD_SOURCEVERSION"]},
    }
    project = f"{variables['SYSTEM_COLLECTIONURI']}{variables['SYSTEM_TEAMPROJECT']}"
    return {
        "buildDefinition": {
            "buildType": "https://azure.microsoft.com/products/devops/pipelines",
            "externalParameters": {"pipeline": variables["BUILD_DEFINITIONNAME"], "ref": variables["BUILD_SOURCEBRANCH"]},
            "internalParameters": {"reason": variables["BUILD_REASON"]},
            "resolvedDependencies": [source],
        },
        "runDetails": {
            "builder": {"id": f"{project}/_build?definitionId={variables['SYSTEM_DEFINITIONID']}"},
            "metadata": {"invocationId": f"{project}/_build/results?buildId={variables['BUILD_BUILDID']}"},
        },
    }


def tests(variables: dict, checks: list[str]) -> dict:
    return {
        "result": "PASSED",
        "configuration": [
            {
                "uri": f"git+{variables['BUILD_REPOSITORY_URI']}@{variables['BUILD_SOURCEBRANCH']}",
                "digest": {"gitCommit": variables["BUILD_SOURCEVERSION"]},
            }
        ],
        "passedTests": checks,
    }


def signed(payload: bytes, key: Path) -> dict:
    encoded = b"DSSEv1 %d %s %d %s" % (len(PAYLOAD_TYPE), PAYLOAD_TYPE.encode(), len(payload), payload)
    signature = openssl(["dgst", "-sha256", "-sign", str(key)], encoded)
    public = openssl(["pkey", "-in", str(key), "-pubout", "-outform", "DER"], b"")
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": base64.b64encode(payload).decode(),
        "signatures": [{"keyid": f"sha256:{hashlib.sha256(public).hexdigest()}", "sig": base64.b64encode(signature).decode()}],
    }


def openssl(arguments: list[str], data: bytes) -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, check=True, capture_output=True).stdout


if __name__ == "__main__":
    main()
