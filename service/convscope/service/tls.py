"""The server's certificate and key, checked before use: gRPC itself does not report what is wrong with them."""

import ssl
from pathlib import Path

import grpc

__all__ = ["read_certificate", "server_credentials"]


def read_certificate(path: Path) -> bytes:
    """Read the PEM file of the server's certificate chain.

    Raises:
        ValueError: naming the variable and the file, if it cannot be read or is of another form.
    """
    chain = _read("CONVSCOPE_TLS_CERT", path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=chain.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise ValueError(f"CONVSCOPE_TLS_CERT is {path}, which is not a certificate in PEM form") from error
    return chain


def server_credentials(certificate: Path, key: Path) -> grpc.ServerCredentials:
    """Read the PEM files of a server's certificate chain and private key.

    Raises:
        ValueError: naming the variable and the file, if one cannot be read, is of another form, or they do not belong
            together.
    """
    chain, secret = read_certificate(certificate), _read("CONVSCOPE_TLS_KEY", key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")  # with one, it does not ask the terminal
    except (ssl.SSLError, ValueError, OSError) as error:
        raise ValueError(
            f"CONVSCOPE_TLS_KEY is {key}, which is not the private key of {certificate} in PEM form, without passphrase"
        ) from error
    return grpc.ssl_server_credentials([(secret, chain)])


def _read(variable: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{variable} is {path}, which cannot be read: {error.strerror}") from error
