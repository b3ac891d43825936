"""Alerts: what becomes of findings over time. The engine is pure; the desk keeps what it decided and tells of it."""
