"""The end of a certificate is read from its bytes as OpenSSL reads it, and nothing that is none makes it fail."""

from __future__ import annotations

import base64
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest
from hypervisor import Hypervisor
from hypothesis import given
from hypothesis import strategies as st

from proxmon.agent.certificates import end_of_certificate, list_certificates
from proxmon.agent.machine import Machine
from proxmon.agent.programs import Programs


def a_certificate(folder: Path, days: int, key: str = "rsa:2048") -> tuple[str, datetime]:
    """Return a new certificate and its end in OpenSSL's own words."""
    file = folder / "cert.pem"
    subject = ["-subj", "/CN=pve.example/O=A cluster", "-addext", "subjectAltName=DNS:pve"]
    request = ["openssl", "req", "-x509", "-nodes", "-newkey", key, "-keyout", "/dev/null", "-days", str(days)]
    subprocess.run([*request, *subject, "-out", str(file)], check=True, capture_output=True)
    told = subprocess.run(
        ["openssl", "x509", "-in", str(file), "-noout", "-enddate"], check=True, capture_output=True, text=True
    )
    ends_at = datetime.strptime(told.stdout.strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=timezone.utc)
    return file.read_text(), ends_at


# From 2050 on, the date has another form.
@pytest.mark.parametrize(("days", "key"), [(1, "rsa:2048"), (730, "ed25519"), (20_000, "ed25519")])
def test_the_end_is_the_one_that_openssl_tells(tmp_path: Path, days: int, key: str) -> None:
    pem, ends_at = a_certificate(tmp_path, days, key)
    assert end_of_certificate(pem) == ends_at
    assert end_of_certificate("some words before\n" + pem + pem) == ends_at
    assert end_of_certificate(pem.replace("\n", "\r\n")) == ends_at


def test_the_certificate_that_the_page_shows_is_told(hypervisor: Hypervisor, tmp_path: Path) -> None:
    machine = Machine(str(hypervisor.root), Programs(hypervisor.path))
    assert list_certificates(machine) == []
    clusters_own, first_end = a_certificate(tmp_path, 100, "ed25519")
    hypervisor.write("/etc/pve/nodes/pve-lab/pve-ssl.pem", clusters_own)
    assert list_certificates(machine) == [
        {"path": "/etc/pve/local/pve-ssl.pem", "ends_at": first_end.strftime("%Y-%m-%dT%H:%M:%SZ")}
    ]
    bought, _ = a_certificate(tmp_path, 50, "ed25519")
    hypervisor.write("/etc/pve/nodes/pve-lab/pveproxy-ssl.pem", bought)
    assert [row["path"] for row in list_certificates(machine)] == ["/etc/pve/local/pveproxy-ssl.pem"]


def a_pem(der: bytes) -> str:
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


@given(st.binary(min_size=1))
def test_no_bytes_make_it_raise(der: bytes) -> None:
    end_of_certificate(a_pem(der))
    end_of_certificate(a_pem(b"\x30\x82\x00\xff\x30\x81\xf0" + der))


@pytest.mark.parametrize(
    "text", ["", "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----", a_pem(b"\x30\x02\x02\x00")]
)
def test_what_is_no_certificate_has_no_end(text: str) -> None:
    assert end_of_certificate(text) is None
