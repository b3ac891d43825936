"""What ``panel serve app.py`` runs: our server, with those of Panel's options that mean something here.

An option that only makes Panel more comfortable is noted as unused. One that asks for a login, for TLS or for something
else to be served is refused in one sentence: who asks for it must not believe to have it.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import panel as pn
from bokeh.command.subcommands.serve import Serve
from bokeh.settings import settings as bokeh_settings

from proxmon.config import Settings, read_settings
from proxmon.errors import SettingsError
from proxmon.logs import set_up_logging
from proxmon.panel_entry import HandedOver
from proxmon.parts import load_part

__all__ = ["HandedOver", "serve_files"]

# Panel's names of what our settings say as well.
SAME = {
    "address": "address",
    "port": "port",
    "prefix": "prefix",
    "use_xheaders": "trust_proxy",
    "ssl_certfile": "tls_certificate",
    "ssl_keyfile": "tls_key",
}
# What Bokeh's server takes as it is: how long it waits, how much it sends.
PASSED_ON = {
    "keep_alive": "keep_alive_milliseconds",
    "check_unused_sessions": "check_unused_sessions_milliseconds",
    "unused_session_lifetime": "unused_session_lifetime_milliseconds",
    "stats_log_frequency": "stats_log_frequency_milliseconds",
    "mem_log_frequency": "mem_log_frequency_milliseconds",
    "session_token_expiration": "session_token_expiration",
    "websocket_max_message_size": "websocket_max_message_size",
    "websocket_compression_level": "websocket_compression_level",
    "websocket_compression_mem_level": "websocket_compression_mem_level",
}
HANDLED = {"files", "glob", "invoke", "allow_websocket_origin", "log_level", "log_file", "log_format"}
# Ours already: the monitor has its own login and starts once, before its first visit.
HARMLESS = {"warm", "disable_index", "disable_index_redirect"}
OWN_PAGES = "the pages are fixed"
# What changes nothing here and takes nothing from anybody, with what to know instead.
UNUSED = {
    "show": "open the address that is printed",
    "autoreload": "start the server again after a change",
    "num_threads": "the server has threads of its own",
    "reuse_sessions": "every visit is a session of its own",
    "index": "the overview is the first page",
    "cookie_secret": "the key lies in the data directory",
    "cookie_path": "PROXMON_PREFIX is the cookie's path",
    "enable_xsrf_cookies": "requests are checked by their origin",
    "liveness": "ask /healthz",
    "liveness_endpoint": "ask /healthz",
    **dict.fromkeys(("include_headers", "exclude_headers"), "pages carry no headers"),
    **dict.fromkeys(("include_cookies", "exclude_cookies"), "pages carry no cookies"),
    **dict.fromkeys(("index_titles", "ico_path", "global_loading_spinner"), OWN_PAGES),
    **dict.fromkeys(("auth_template", "logout_template", "basic_login_template"), OWN_PAGES),
    **dict.fromkeys(("login_endpoint", "logout_endpoint"), "they are /login and /logout"),
    **dict.fromkeys(("admin", "admin_endpoint", "admin_log_level", "session_history", "profiler"), "see /metrics"),
}
EVERY_ORIGIN = "any other site's page could use your login; name a host that serves our pages, if it is not our own"
INSTEAD = {
    "root_path": "have the proxy keep the path and use --prefix",
    "num_procs": "one process alone writes the store",
    "basic_auth": "its login is DASHBOARD_PASSWORD_HASH, which `proxmon hash-password` makes",
    "unix_socket": "listen on PROXMON_ADDRESS and PROXMON_PORT",
}
OTHERWISE = "docs/settings.md lists what can be set"
LOGIN = "its login is DASHBOARD_PASSWORD_HASH"


def serve_files(command: Serve, files: Sequence[Path], args: argparse.Namespace) -> None:
    """Run the server in place of Panel's. Raises SettingsError when an option or file has no meaning here."""
    if len(files) != 1:
        raise SettingsError("Serve app.py by itself: other files need a `panel serve` of their own.")
    given = given_options(command, args)
    settings = panel_settings(given)
    pn.config.autoreload = False
    _log(args, settings)
    if unused := unused_options(given):
        print(f"  Not used: {'; '.join(unused)}.", flush=True)
    own = Path(load_part("serve").__code__.co_filename)
    if files[0].read_bytes() != own.read_bytes():
        print(f"  {files[0]} differs from the installed {own}, which is served.", flush=True)
    load_part("serve")(settings, options={name: given[option] for option, name in PASSED_ON.items() if option in given})


def given_options(command: Serve, args: argparse.Namespace) -> dict[str, Any]:
    """Return the options that differ from Panel's defaults, under Panel's names."""
    defaults = vars(command.parser.parse_args([]))
    given = {name: value for name, value in vars(args).items() if value != defaults.get(name)}
    # Panel moves the two options that reload into its configuration before it asks.
    given.pop("dev", None)
    return given | ({"autoreload": True} if pn.config.autoreload else {})


def panel_settings(given: Mapping[str, Any]) -> Settings:
    """Return the settings, with those of Panel's options that mean the same. Raises SettingsError for the others."""
    for option in given:
        if option not in SAME.keys() | PASSED_ON.keys() | UNUSED.keys() | HANDLED | HARMLESS:
            raise SettingsError(refusal(option))
    overrides = {SAME[option]: value for option, value in given.items() if option in SAME}
    # Bokeh's own variables: who relies on BOKEH_SSL_CERTFILE must not be served in plain text.
    in_environment = {
        "tls_certificate": bokeh_settings.ssl_certfile(None),
        "tls_key": bokeh_settings.ssl_keyfile(None),
        "origins": _origins(given),
    }
    return read_settings(os.environ, **(in_environment | overrides))


def refusal(option: str) -> str:
    """Return the sentence for an option that means nothing here."""
    is_login = option.startswith(("oauth", "auth", "login", "logout", "basic"))
    instead = INSTEAD.get(option, LOGIN if is_login else OTHERWISE)
    return f"Leave out --{option.replace('_', '-')}: proxmon does not use it; {instead}."


def unused_options(given: Mapping[str, Any]) -> list[str]:
    """List the given options that change nothing here, each with what to know instead."""
    unused = [f"--{option.replace('_', '-')} ({UNUSED[option]})" for option in given if option in UNUSED]
    if any(map(_is_every_origin, _given_origins(given))):
        unused.append(f"the websocket origin * ({EVERY_ORIGIN})")
    return unused


def _origins(given: Mapping[str, Any]) -> str | None:
    return ",".join(one for one in _given_origins(given) if not _is_every_origin(one)) or None


def _given_origins(given: Mapping[str, Any]) -> Sequence[str]:
    return given.get("allow_websocket_origin") or os.environ.get("BOKEH_ALLOW_WS_ORIGIN", "").split(",")


def _is_every_origin(origin: str) -> bool:
    return "*" in origin


def _log(args: argparse.Namespace, settings: Settings) -> None:
    """Log as our settings say, unless Panel's own options say where or how."""
    level = bokeh_settings.py_log_level(args.log_level)
    if level is None and not args.log_file:
        set_up_logging(settings.log_level, settings.log_format)
        return
    logging.basicConfig(
        level=logging.WARNING if level is None else level, format=args.log_format, filename=args.log_file
    )
