"""The agent's version, which each message carries and the hosts page shows."""

VERSION = "0.1.0"
