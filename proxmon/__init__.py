"""A monitor for Proxmox VE hosts with ZFS."""

__version__ = "0.1.0"
