"""TLS to the API server."""

from __future__ import annotations

import ssl
from pathlib import Path

from controller_runtime.certificates import CertificateError, load_key_pair
from controller_runtime.client.config import Credential, RestConfig
from controller_runtime.client.errors import ConfigError


def tls_context(config: RestConfig, credential: Credential) -> ssl.SSLContext:
    """TLS to the server of a RestConfig, as whom the credential says.

    Raises:
        ConfigError: the file of the CAs cannot be read or holds none, or the client certificate cannot be used.
    """
    cas = trusted_cas(config)
    try:
        context = ssl.create_default_context(cadata=cas)
    except OSError as error:  # ssl.SSLError is one
        raise _unusable_cas(config, error) from error
    if credential.client_certificate is not None:
        try:
            load_key_pair(context, credential.client_certificate)
        except CertificateError as error:
            raise ConfigError(f"TLS to {config.host}: the client certificate cannot be used: {error}") from error
    # Python 3.13 demands extensions of RFC 5280 that the CAs of many clusters lack; Go's verifier does not.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.set_alpn_protocols(["http/1.1"])
    if not config.verify_tls:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def trusted_cas(config: RestConfig) -> str | None:
    """The CAs that may vouch for the server, as PEM; None: those of the system.

    Raises:
        ConfigError: the file cannot be read.
    """
    if not config.ca_file:
        return config.ca_data or None
    try:
        # What else a bundle holds, names of CAs in comments for example, is nothing to `ssl`, which takes ASCII alone.
        # An empty file is refused by it as long as it is not quite empty; None would stand for the system's CAs.
        return Path(config.ca_file).read_text("ascii", errors="ignore") or "\n"
    except OSError as error:
        raise _unusable_cas(config, error) from error


def _unusable_cas(config: RestConfig, error: OSError) -> ConfigError:
    origin = config.ca_file or ("the CAs that were given" if config.ca_data else "the system CAs")
    return ConfigError(f"TLS to {config.host} cannot be set up from {origin}: {error}")
