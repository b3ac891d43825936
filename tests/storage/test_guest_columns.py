"""Guests take the way by JSON into their columns: each value arrives as it was sent."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxmon.fleet import Host
from proxmon.samples import Sample
from storage import Store
from storage.arrow import pa
from storage.guest_columns import guest_columns
from storage.moments import to_store
from tests.builders import NOW, a_fast_payload, a_guest, a_medium_payload, a_sample

SECOND = timedelta(seconds=1)
TEXTS = st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_categories=["Cs"])))
AMOUNTS = st.one_of(st.none(), st.integers(0, 2**53), st.floats(0, 9.2e18))
GUESTS = st.fixed_dictionaries(
    {
        "vmid": st.integers(0, 2**63 - 1),
        "type": TEXTS,
        "name": TEXTS,
        "status": TEXTS,
        "cpu_percent": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
        "mem_bytes": AMOUNTS,
        "maxmem_bytes": AMOUNTS,
        "uptime_seconds": AMOUNTS,
        "tags": st.one_of(st.none(), st.lists(st.text(st.characters(codec="utf-8")), max_size=4)),
        "lock": TEXTS,
        "template": st.one_of(st.none(), st.booleans()),
    }
)


def rows(samples: list[Any]) -> list[dict[str, Any]]:
    found = guest_columns(samples)
    return [] if found is None else found.to_pylist()


@given(st.lists(st.lists(GUESTS, max_size=5), max_size=4))
def test_each_value_arrives_as_it_was_sent(hosts: list[list[dict[str, Any]]]) -> None:
    samples = [
        a_sample(number, payload=a_fast_payload(vms_runtime={"vms": guests})) for number, guests in enumerate(hosts)
    ]
    sent = [
        {"host_id": number, "observed_at": to_store(NOW)} | guest
        for number, guests in enumerate(hosts)
        for guest in guests
    ]
    assert rows(samples) == [{("run_state" if key == "status" else key): row[key] for key in row} for row in sent]


def test_samples_without_guests_have_no_rows() -> None:
    payloads = [
        a_fast_payload(vms_runtime=None),
        a_fast_payload(vms_runtime={"vms": []}),
        a_fast_payload(vms_runtime={}),
    ]
    assert rows([a_sample(1, payload=payload) for payload in payloads]) == []
    assert rows([a_sample(1, "medium", payload=a_medium_payload())]) == []


def test_what_is_not_said_is_unknown() -> None:
    [row] = rows([a_sample(1, payload=a_fast_payload(vms_runtime={"vms": [{"vmid": 100, "other": {"x": 1}}]}))])
    assert (row.pop("host_id"), row.pop("observed_at"), row.pop("vmid")) == (1, to_store(NOW), 100)
    assert set(row.values()) == {None}


def test_guests_that_arrow_cannot_read_keep_no_other_sample_from_the_tables(
    store: Store, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(samples: Iterable[Sample]) -> Any:
        given = list(samples)
        if any(sample.collected_at == NOW for sample in given):
            raise pa.ArrowInvalid("a value that does not fit")
        return guest_columns(given)

    monkeypatch.setattr("storage.typed.guest_columns", read)
    store.append([a_sample(host.id, collected_at=NOW + number * SECOND) for number in range(3)]).result()
    store.settle()
    with store._database.reader() as cursor:
        [(samples,)] = cursor.execute("SELECT count(*) FROM base.fast_samples").fetchall()
        [(with_guests,)] = cursor.execute("SELECT count(DISTINCT observed_at) FROM base.guest_samples").fetchall()
    assert (samples, with_guests) == (3, 2)


def test_many_guests_are_read_together() -> None:
    guests = [a_guest(vmid=vmid, name="x" * 200) for vmid in range(10_000)]
    found = rows([a_sample(1, payload=a_fast_payload(vms_runtime={"vms": guests}))])
    assert [row["vmid"] for row in found] == list(range(10_000))
