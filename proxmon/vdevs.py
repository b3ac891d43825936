"""The tree of a pool's vdevs, walked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from proxmon.payload import Vdev


def walk_vdevs(vdevs: Iterable[Vdev] | None) -> Iterator[tuple[int, Vdev]]:
    """Give every vdev of a tree with its depth, parents before their children; none of a tree that is not known."""
    waiting = [(0, iter(vdevs or ()))]
    while waiting:  # no recursion: each vdev would pass through all levels above it
        depth, level = waiting[-1]
        vdev = next(level, None)
        if vdev is None:
            waiting.pop()
        else:
            yield depth, vdev
            waiting.append((depth + 1, iter(vdev.children or ())))
