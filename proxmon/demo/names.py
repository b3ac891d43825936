"""Names of simulated hosts and guests, as people give them."""

from __future__ import annotations

from dataclasses import dataclass

# In the order of the parts that the first hosts play: the full one keeps backups.
FIRST_HOSTS = (
    "pve-lab-07",
    "pve-fra-01",
    "pve-ber-02",
    "pve-edge-03",
    "pve-backup-01",
    "pve-muc-01",
    "pve-fra-02",
    "pve-ham-01",
)
SITES = ("fra", "ber", "muc", "ham", "cgn", "lab", "vie", "zrh", "ams", "backup", "edge", "dus", "str", "lej")
FIRST_NUMBER = 11  # above every number of the first hosts, so that no name is given twice


def host_name(index: int) -> str:
    """Return the name of a host; no two are the same."""
    if index < len(FIRST_HOSTS):
        return FIRST_HOSTS[index]
    number, site = divmod(index - len(FIRST_HOSTS), len(SITES))
    return f"pve-{SITES[site]}-{number + FIRST_NUMBER}"


@dataclass(frozen=True, slots=True)
class Calling:
    """What a guest is for: its name, type, tags, cores and memory."""

    name: str
    type: str
    tags: tuple[str, ...]
    cpus: int
    memory_gib: int


CALLINGS = (
    Calling("web-01", "lxc", ("prod", "web"), 2, 2),
    Calling("web-02", "lxc", ("prod", "web"), 2, 2),
    Calling("mail", "qemu", ("prod", "mail"), 4, 8),
    Calling("nextcloud", "qemu", ("prod", "files"), 4, 12),
    Calling("postgres-01", "qemu", ("prod", "db"), 8, 32),
    Calling("postgres-02", "qemu", ("prod", "db", "replica"), 8, 32),
    Calling("gitlab", "qemu", ("prod", "dev"), 8, 16),
    Calling("ci-runner-01", "lxc", ("dev",), 4, 4),
    Calling("ci-runner-02", "lxc", ("dev",), 4, 4),
    Calling("ci-runner-03", "lxc", ("dev",), 4, 4),
    Calling("dns-01", "lxc", ("infra",), 1, 1),
    Calling("dns-02", "lxc", ("infra",), 1, 1),
    Calling("opnsense", "qemu", ("infra", "edge"), 2, 4),
    Calling("dc-01", "qemu", ("infra", "windows"), 4, 8),
    Calling("rds-01", "qemu", ("prod", "windows"), 8, 24),
    Calling("grafana", "lxc", ("infra",), 2, 2),
    Calling("prometheus", "lxc", ("infra",), 4, 8),
    Calling("loki", "lxc", ("infra",), 2, 4),
    Calling("vaultwarden", "lxc", ("prod",), 1, 1),
    Calling("keycloak", "qemu", ("prod", "auth"), 2, 4),
    Calling("home-assistant", "qemu", ("home",), 2, 4),
    Calling("jellyfin", "lxc", ("home", "media"), 4, 4),
    Calling("paperless", "lxc", ("home", "files"), 2, 3),
    Calling("immich", "qemu", ("home", "media"), 4, 8),
    Calling("minecraft", "lxc", ("games",), 4, 6),
    Calling("k3s-server-01", "qemu", ("k8s", "prod"), 4, 8),
    Calling("k3s-agent-01", "qemu", ("k8s", "prod"), 8, 16),
    Calling("k3s-agent-02", "qemu", ("k8s", "prod"), 8, 16),
    Calling("k3s-agent-03", "qemu", ("k8s", "prod"), 8, 16),
    Calling("redis", "lxc", ("prod", "db"), 1, 2),
    Calling("rabbitmq", "lxc", ("prod",), 2, 2),
    Calling("elasticsearch", "qemu", ("prod", "search"), 8, 24),
    Calling("mattermost", "qemu", ("prod", "chat"), 2, 6),
    Calling("synapse", "lxc", ("prod", "chat"), 2, 4),
    Calling("wiki", "lxc", ("prod",), 1, 2),
    Calling("erp-test", "qemu", ("test",), 4, 8),
    Calling("win11-build", "qemu", ("dev", "windows"), 8, 16),
    Calling("proxy", "lxc", ("infra", "edge"), 2, 1),
    Calling("unifi", "lxc", ("infra", "net"), 2, 2),
    Calling("netbox", "lxc", ("infra", "net"), 2, 3),
    Calling("debian-13-template", "qemu", ("template",), 2, 2),
    Calling("ubuntu-24.04-template", "qemu", ("template",), 2, 2),
)
