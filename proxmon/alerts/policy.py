"""How long a finding must hold before it alerts, and how long it must be gone before the alert ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from proxmon.config import RuleSettings
from proxmon.rulebook.book import RuleBook, as_book
from proxmon.rulebook.catalog import CATALOG, Policy

# So many changes within this time are flapping, said once; it is over when as much time has passed without one.
FLAP_CHANGES = 5
FLAP_WINDOW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Policies:
    """How every rule alerts, and for how long a silent host is waited for.

    ``book`` holds the rules.
    ``away_seconds``: how long a host may be away, by the reason of its goodbye.
    ``arrival_seconds``: how long an agent may take to use a new token.
    """

    book: RuleBook
    away_seconds: Mapping[str, float] = field(default_factory=lambda: {"reboot": 900.0, "upgrade": 300.0})
    arrival_seconds: float = 900.0

    def find(self, rule: str, host: str, subject: str = "") -> Policy:
        """Return how the rule alerts on a subject of a host; of what is no rule, how alerts do by default."""
        if rule not in CATALOG:
            return Policy()
        return self.book.of_host(host).choose(rule, subject).policy

    def may_alert(self, rule: str, host: str) -> bool:
        """Tell whether the rule alerts of anything on a host."""
        return self.book.of_host(host).may_alert(rule)


def default_policies(rules: RuleBook | RuleSettings) -> Policies:
    """Return how the rules alert by a rule book."""
    return Policies(as_book(rules))
