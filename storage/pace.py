"""When the writer should commit: at once, or a moment later together with samples that are about to come."""

from __future__ import annotations

# A commit costs about 3 ms of CPU whatever is in it, so 100 samples a second, each committed alone, would take
# a third of a core. 25 ms apart they take a tenth, and nobody waits longer than he notices.
SPACING_SECONDS = 0.025
# Senders that answer an acknowledgement with their next sample fill the queue during each commit, and groups
# form by themselves: to wait would only slow them down.
EAGER_GAP_SECONDS = 0.004
_WEIGHT = 0.125


class Pace:
    """Decides from the gaps between a commit and the next sample, with a memory of about eight commits."""

    def __init__(self) -> None:
        self._committed_at = float("-inf")
        self._mean_gap = 0.0

    def wait_seconds(self, queued_at: float, now: float) -> float:
        """Return how long to wait before a sample that was queued at ``queued_at`` is committed."""
        if self._gap(queued_at) < EAGER_GAP_SECONDS and self._mean_gap < EAGER_GAP_SECONDS:
            return 0.0
        return max(0.0, self._committed_at + SPACING_SECONDS - now)

    def note_commit(self, queued_at: float, now: float) -> None:
        """Remember a commit whose first sample was queued at ``queued_at``."""
        # A long silence says no more than a short one, and must not outweigh the burst that follows it.
        gap = min(self._gap(queued_at), SPACING_SECONDS)
        self._mean_gap += _WEIGHT * (gap - self._mean_gap)
        self._committed_at = now

    def _gap(self, queued_at: float) -> float:
        return max(0.0, queued_at - self._committed_at)
