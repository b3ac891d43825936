"""The served description is whole and true: it names every route, and what Schemathesis makes of it is answered so."""

from __future__ import annotations

import os
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import CHECKS
from tornado.web import RequestHandler

from proxmon.handlers.routes import HANDLERS
from proxmon.openapi import describe
from tests.counts import Count
from tests.servers import Server

METHODS = ("get", "head", "post", "put", "patch", "delete")
EXAMPLES = 100 if os.environ.get("PROXMON_SOAK") else 4
# Not checked: the server reads more than is described, by contract (unknown keys are kept, moments in other forms of
# ISO 8601), and refuses some of what is described, since not all that must fit together can be (an end after its
# beginning, a name that is not taken). What a deleted thing answers is in test_http.py.
UNCHECKED = (
    "negative_data_rejection",
    "positive_data_acceptance",
    "use_after_free",
    "ensure_resource_availability",
    "max_response_time",
)

schema = schemathesis.openapi.from_dict(describe())


def test_every_route_and_method_is_described() -> None:
    served = {
        (pattern.replace("([^/]+)", "{name}").replace(r"(\d+)", "{id}").replace("\\", ""), method)
        for pattern, handler in HANDLERS
        for method in METHODS
        if getattr(handler, method) is not getattr(RequestHandler, method)
    }
    described = {(path, method) for path, methods in describe()["paths"].items() for method in methods}
    assert described == served


def test_the_server_serves_it_to_anybody_with_its_own_path(server: Server) -> None:
    answer = server.ask("GET", "/api/openapi.json", token="")
    assert answer.status_code == 200
    assert answer.json() == describe()
    assert describe("/mon")["servers"] == [{"url": "/mon"}]


def test_what_is_no_utf_8_is_answered_as_described(server: Server) -> None:
    for path, methods in describe()["paths"].items():
        for method, operation in methods.items():
            named = [one for one in operation.get("parameters", ()) if one["name"] != "id"]
            query = "&".join(f"{one['name']}=%FF" for one in named if one["in"] == "query")
            if not named or "{id}" in path:
                continue
            answer = server.ask(method.upper(), f"{path.replace('{name}', '%FF')}?{query}", data=b"{}")
            assert answer.status_code == 400
            assert answer.json()["error"].endswith(" in UTF-8.")
            assert "400" in operation["responses"]


@pytest.fixture(scope="module")
def bearers(server: Server) -> dict[str, str]:
    """Give the tokens by the scheme that asks for them."""
    return {"hostToken": server.add_host("pve-described"), "apiToken": server.control.token}


@schema.parametrize()
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=list(HealthCheck),
)
def test_what_is_asked_is_answered_as_described(
    server: Server, bearers: dict[str, str], case: Any, count: Count
) -> None:
    schemes = {name for one in case.operation.definition.raw["security"] for name in one}
    token = next((bearers[name] for name in bearers if name in schemes), None)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    excluded = [check for check in CHECKS.get_all() if check.__name__ in UNCHECKED]

    def tell(context: Any, answer: Any, case: Any) -> None:
        count("Schemathesis", requests=1, answered_500_or_above=answer.status_code >= 500)

    case.call_and_validate(
        base_url=server.url, headers=headers, excluded_checks=excluded, additional_checks=[tell], timeout=30
    )
