"""A search over 5,000 guests, as a person types it: every keystroke changes what is searched for."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

from playwright.sync_api import Browser, Page

from proxmon.payload import Tier
from tests.builders import a_fast_payload, a_guest, a_medium_payload
from tests.servers import Server
from tools.bench.pages import IS_LIVE, a_server, logged_in, post
from tools.bench.senders import a_body
from tools.bench.table import Row, row

HOSTS, GUESTS = 50, 100
ROLES = ("web", "db", "mail", "cache", "proxy", "git", "build", "backup", "dns", "vpn")
NOWHERE = "printer"
# Names and parts of them, addresses, an ID, and what nobody has.
WORDS = ("mail-17", "backup", "10.20.31.7", "cache-4", "142", "10.20.4", "web-0", "20.9.1", NOWHERE)
# Another keystroke comes when this one is drawn: its frame is none of the next one's work.
KEYSTROKE = """async text => {
  const input = document.querySelector("[data-role=guest-search]");
  if (input.value === text) throw new Error(`nothing changes with ${text}`);
  const began = performance.now();
  input.value = text;
  input.dispatchEvent(new Event("input"));
  document.body.getBoundingClientRect();
  const laidOut = performance.now() - began;
  await new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)));
  const rows = document.querySelectorAll("[data-role=guest-row]");
  return [laidOut, performance.now() - began, [...rows].filter(row => row.checkVisibility()).length];
}"""


def measure_search(browser: Browser) -> list[Row]:
    """Measure each keystroke of some words until the rows it found are laid out, and until they are drawn."""
    with a_server(HOSTS) as (server, hosts):
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda number: tell_guests(server, hosts[number][1], number), range(HOSTS)))
        context = logged_in(browser, server)
        page = context.new_page()
        page.goto(server.url + "/vms")
        page.wait_for_function(f"document.querySelectorAll('[data-role=guest-row]').length > 0 && {IS_LIVE}")
        took = [one for word in WORDS for one in type_word(page, word)]
        context.close()
    what = f"search over {HOSTS * GUESTS} guests, a keystroke"
    return [
        row(f"{what}: its rows are laid out", [laid_out for laid_out, _ in took], "ms", "≤ 50", 50),
        row("… and drawn, with the wait for the next frame", [drawn for _, drawn in took], "ms"),
    ]


def type_word(page: Page, word: str) -> list[tuple[float, float]]:
    """Type a word into the empty field; return after how many ms each letter's rows were laid out and drawn."""
    found = [page.evaluate(KEYSTROKE, word[:length]) for length in range(1, len(word) + 1)]
    assert (found[-1][2] == 0) == (word == NOWHERE), (word, found[-1])
    page.evaluate(KEYSTROKE, "")
    return [(laid_out, drawn) for laid_out, drawn, _ in found]


def tell_guests(server: Server, token: str, host: int) -> None:
    """Send what a host says of its guests, each with a name, an ID and an address."""
    fast: list[dict[str, Any]] = []
    medium: list[dict[str, Any]] = []
    for number in range(GUESTS):
        name = f"{ROLES[(number + host) % len(ROLES)]}-{host:02d}{number:02d}"
        fast.append(a_guest(vmid=100 + number, name=name))
        address = {"ips": [f"10.20.{host}.{number + 10}"], "macs": [f"bc:24:11:00:{host:02x}:{number:02x}"]}
        medium.append({"vmid": 100 + number, "type": "qemu", "name": name, **address})
    post(server, token, a_body(a_fast_payload(vms_runtime={"vms": fast})))
    post(server, token, a_body(a_medium_payload(vms_detail={"vms": medium}), Tier.MEDIUM))
