"""The rule on how long scrubs take: one that is slower than those before tells of a disk that is failing or overrun."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from statistics import median

from proxmon.config import RuleSettings
from proxmon.findings import Detail, Finding, Skipped, Verdict, earliest, worst
from proxmon.payload import Pool, PoolsSection, Section, Tier
from proxmon.rules.base import Case, Rule, Summary, failing, judge_each
from proxmon.rules.words import number, plural, span
from proxmon.scrubs import KNOWN_SCRUBS, LONGEST_SECONDS, parse_scrub_date

NAME = "scrub_duration"
FEWEST = 2  # scrubs that one is held against; a single one may have been the odd one out
TOO_FEW = (
    "No pool has told yet how long enough of its scrubs took: "
    f"the last one is held against {FEWEST} to {KNOWN_SCRUBS - 1} before it."
)


@dataclass(frozen=True, slots=True)
class Run:
    """A scrub and those before it, by the seconds that they took; one that runs has taken so many so far."""

    seconds: float
    before: Sequence[float]
    is_running: bool = False

    @property
    def usual(self) -> float:
        """Return the seconds that a scrub of the pool usually takes."""
        return median(self.before)

    @property
    def ratio(self) -> float:
        """Return how many times the usual it took; a usual of no time counts as one second."""
        return self.seconds / max(self.usual, 1.0)

    def limit(self, settings: RuleSettings) -> float:
        """Return the seconds above which it is slow."""
        return max(self.usual * settings.scrub_max_ratio, self.usual + settings.scrub_max_extra_hours * 3600)


@dataclass(frozen=True, slots=True)
class TimedPool:
    """A pool of which enough scrubs are known: the one that runs, the last one, or both."""

    name: str
    runs: Sequence[Run]


def judge_scrub_duration(case: Case) -> Finding | Skipped:
    """Judge whether the last scrub of a pool took longer than those before, or one that runs does so already."""
    most = max((len(_told(case, pool)) for pool in case.host.scrubs), default=0)
    if most < FEWEST:
        return Skipped(NAME, TOO_FEW)
    found = SCRUB_DURATION.judge(case)
    is_unknown = isinstance(found, Finding) and found.verdict is Verdict.UNKNOWN and most > FEWEST
    is_judged = isinstance(found, Finding) and bool(found.details)
    return found if is_unknown or is_judged else Skipped(NAME, TOO_FEW)


def scrub_duration(case: Case, pool: TimedPool) -> Detail:
    """Judge one pool by the scrub that runs and by the last one; the worse of them counts."""
    details = [_detail(case, pool.name, run) for run in pool.runs]
    first = worst(details)
    assert first is not None
    return replace(first, valid_until=earliest(one.valid_until for one in details))


def _detail(case: Case, name: str, run: Run) -> Detail:
    limit = run.limit(case.settings)
    verdict = failing(run.seconds > limit)
    what = "the scrub that runs has taken" if run.is_running else "its last scrub took"
    lasted, usual = span(run.seconds) + (" so far" if run.is_running else ""), span(run.usual)
    is_slow = verdict is not Verdict.OK
    words = f"{number(run.ratio)} times the usual {usual}" if is_slow else f"{usual} is usual"
    left = limit - run.seconds
    is_due = run.is_running and not is_slow and left <= LONGEST_SECONDS
    valid_until = case.now + timedelta(seconds=left) if is_due else None
    return Detail(name, verdict, f"{name}: {what} {lasted}, {words}", round(run.ratio, 2), valid_until=valid_until)


def _runs(case: Case, pool: Pool) -> Iterator[Run]:
    told, known = _told(case, pool.name), case.host.scrubs.get(pool.name, ())
    running = _running_seconds(case, pool)
    if running is not None:
        yield Run(running, told[: KNOWN_SCRUBS - 1], is_running=True)
    if known and known[0].duration_seconds is not None:
        yield Run(told[0], told[1:])


def _told(case: Case, pool: str) -> list[float]:
    """List how many seconds the known scrubs of a pool took, the newest first, of those that told it."""
    return [one.duration_seconds for one in case.host.scrubs.get(pool, ()) if one.duration_seconds is not None]


def _running_seconds(case: Case, pool: Pool) -> float | None:
    """Return for how long the pool is being scrubbed at least; None where it is not, or that is not known."""
    scan = pool.scan
    if scan is None or (scan.function, scan.state) != ("scrub", "scanning") or not scan.start_at:
        return None
    started = parse_scrub_date(scan.start_at)
    return None if started is None else (case.now - started.at - started.uncertainty).total_seconds()


def _summarize(case: Case, section: Section) -> Summary:
    assert isinstance(section, PoolsSection)
    timed = (TimedPool(pool.name, _enough(_runs(case, pool))) for pool in section.pools or ())
    found = [pool for pool in timed if pool.runs]
    return Summary.of(judge_each(case, NAME, found, scrub_duration, _threshold))


def _enough(runs: Iterator[Run]) -> list[Run]:
    return [run for run in runs if len(run.before) >= FEWEST]


def _threshold(settings: RuleSettings) -> str:
    extra = number(settings.scrub_max_extra_hours)
    return f"warning above {number(settings.scrub_max_ratio)} times the usual, when that is {extra} h longer"


def _passed(details: Sequence[Detail]) -> str:
    if len(details) == 1:
        return details[0].message
    return f"{plural(len(details), 'pool')}: none scrubbed slower than usual"


SCRUB_DURATION = Rule(
    name=NAME,
    tier=Tier.FAST,
    section="zfs_pools",
    threshold=_threshold,
    clears_when=(
        "A scrub takes its usual time again: look for a failing disk (`zpool iostat -vl`, SMART), for load beside it, "
        "and for data that has grown."
    ),
    summarize=_summarize,
    passed=_passed,
    unit="times",
)
