"""Tells when Proxmox's certificates end, from the dates in them; nothing but these is read."""

from __future__ import annotations

import binascii
import re
from datetime import datetime, timezone
from typing import Any

from .machine import Machine

# The page of Proxmox shows the first that is there: one of the owner's, or the one that the cluster made.
PATHS = ("/etc/pve/local/pveproxy-ssl.pem", "/etc/pve/local/pve-ssl.pem")

_PEM = re.compile(r"-----BEGIN CERTIFICATE-----\s+([A-Za-z0-9+/=\s]+?)-----END CERTIFICATE-----")
_SEQUENCE, _EXPLICIT_VERSION, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0xA0, 0x17, 0x18


def list_certificates(machine: Machine) -> list[dict[str, Any]]:
    """Return path and `ends_at` of the certificate that this node serves, none where it cannot be read."""
    for path in PATHS:
        ends_at = end_of_certificate(machine.find_text(path, 256 << 10) or "")
        if ends_at is not None:
            return [{"path": path, "ends_at": ends_at.strftime("%Y-%m-%dT%H:%M:%SZ")}]
    return []


def end_of_certificate(pem: str) -> datetime | None:
    """Return `notAfter` of the first certificate in a PEM text, which is the server's own; None if there is none."""
    match = _PEM.search(pem)
    if match is None:
        return None
    try:
        return _not_after(binascii.a2b_base64(match.group(1)))
    except (binascii.Error, ValueError, IndexError):
        return None


def _not_after(der: bytes) -> datetime:
    """Walk X.509's fixed order (RFC 5280, 4.1): [version], serial number, algorithm, issuer, validity."""
    _, certificate, _ = _read(der)
    _, rest, _ = _read(certificate)
    tag, _, after = _read(rest)
    if tag == _EXPLICIT_VERSION:
        rest = after
    for _ in ("serial number", "algorithm", "issuer"):
        _, _, rest = _read(rest)
    tag, validity, _ = _read(rest)
    if tag != _SEQUENCE:
        raise ValueError("no validity where it belongs")
    _, _, rest = _read(validity)
    return _moment(*_read(rest)[:2])


def _moment(tag: int, value: bytes) -> datetime:
    text = value.decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text  # RFC 5280: two digits mean 1950 to 2049
    elif tag != _GENERALIZED_TIME:
        raise ValueError("no time where it belongs")
    year, *rest = (int(text[start:end]) for start, end in ((0, 4), (4, 6), (6, 8), (8, 10), (10, 12), (12, 14)))
    month, day, hour, minute, second = rest
    return datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)


def _read(der: bytes) -> tuple[int, bytes, bytes]:
    """Split DER into the first element's tag and content, and what comes after it."""
    tag, length, start = der[0], der[1], 2
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if len(der) < start + length:
        raise ValueError("cut off")
    return tag, der[start : start + length], der[start + length :]
