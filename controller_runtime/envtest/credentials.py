"""Keys, tokens and kubeconfig files of a control plane, made without a certificate tool."""

import base64
import csv
import io
import json
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
# ECPrivateKey of RFC 5915 for the curve prime256v1 in DER, before and after the 32 bytes of the secret number. The
# public key is optional there; readers compute it.
_P256_HEAD = bytes.fromhex("30310201010420")
_P256_TAIL = bytes.fromhex("a00a06082a8648ce3d030107")


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whatever the umask and whatever was there before."""
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text, encoding="utf-8")


def new_signing_key() -> str:
    """Return a new P-256 private key in PEM, as `--service-account-signing-key-file` takes it."""
    number = secrets.randbelow(_P256_ORDER - 1) + 1
    der = _P256_HEAD + number.to_bytes(32, "big") + _P256_TAIL
    body = base64.encodebytes(der).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{body}-----END EC PRIVATE KEY-----\n"


def new_token() -> str:
    """Return a token that nobody can guess."""
    return secrets.token_urlsafe(24)


def token_table(tokens: Mapping[str, str], groups: Mapping[str, Sequence[str]]) -> str:
    """Return what `--token-auth-file` takes: one line per user with token, name, uid and groups.

    Args:
        tokens: Token of each user.
        groups: Groups of each user.
    """
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    for user, token in tokens.items():
        writer.writerow([token, user, user, ",".join(groups[user])])
    return table.getvalue()


def kubeconfig(url: str, ca_file: Path, user: str, token: str) -> str:
    """Return a kubeconfig (JSON, which is YAML too) with one context.

    Args:
        url: Of the API server.
        ca_file: Certificates that the server's is verified with.
        user: Name of the entry; the API server goes by the token.
        token: Bearer token.
    """
    context = {"cluster": "envtest", "user": user}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "envtest", "cluster": {"server": url, "certificate-authority": str(ca_file)}}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": "envtest", "context": context}],
        "current-context": "envtest",
    }
    return json.dumps(document, indent=2) + "\n"
