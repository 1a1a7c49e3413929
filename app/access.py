"""Who may call what: every route against every caller, read from the routes' own declarations.

`flask access` prints it, and a test calls every route as every caller and finds the same. A route belongs to the
audience of its package; there it needs that audience's credential unless `OPEN` names it, and in the console also a
role of `admin.scope.ROLES`. Which rows a caller sees behind a route is the affair of the audience's scope.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apiflask import APIFlask

from .admin import scope
from .miniapp import auth as miniapp_auth

# Callers by what they hold: nothing, a shopper's token, a guide's session, a till's key, a console user's token.
ROLES = ("store", "dealer", "region", "hq", "group")
CALLERS = ("nobody", "shopper", "guide", "till", *ROLES)
_CREDENTIAL = {"miniapp": ("shopper",), "sidebar": ("guide",), "pos": ("till",)}

# Whose rows each of them sees behind a route that serves them; what lies outside answers as what does not exist.
ROWS = {
    "nobody": "none",
    "shopper": "their own",
    "guide": "the customers who added them, and their own tasks; a manager also the tasks of the store",
    "till": "members of the brand, and what was done in the key's stores",
    "store": "of the store",
    "dealer": "of the stores the dealer has at this moment",
    "region": "of the stores in the region",
    "hq": "of the brand",
    "group": "of every brand, one at a time",
}

# Served without a credential of ours, and why.
OPEN = {
    "sidebar.enter": "leads to WeCom's OAuth",
    "sidebar.callback": "proves itself by WeCom's code",
    "sidebar.home": "leads to WeCom's OAuth without a session",
    "status.healthz": "for whoever keeps the process alive",
    "status.metrics": "ids and counts only; keep it inside by the proxy",
    "openapi.docs": "the documentation",
    "openapi.spec": "the documentation",
    "openapi.swagger_ui_oauth_redirect": "the documentation",
    "static": "files without data",
    **dict.fromkeys(scope.OPEN, "proves itself by a password"),
    **dict.fromkeys(miniapp_auth.OPEN, "proves itself by WeChat's code"),
}


@dataclass(frozen=True)
class Route:
    """One method of one path. `callers` are served; `open`: why it needs no credential, "" when it does."""

    method: str
    path: str
    endpoint: str
    audience: str
    callers: frozenset[str]
    open: str

    @property
    def page(self) -> bool:
        """Whether it answers people with pages (a stranger is led to the login) and not programs."""
        return self.endpoint.startswith("console.")


def routes(app: APIFlask) -> list[Route]:
    """Every route of the application, by audience and path."""
    return sorted(_routes(app), key=lambda one: (one.audience, one.path, one.method))


def _routes(app: APIFlask) -> Iterator[Route]:
    for rule in app.url_map.iter_rules():
        audience = _audience(app, rule.endpoint)
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            why = "signed by Tencent" if audience == "hooks" else OPEN.get(rule.endpoint, "")
            yield Route(method, rule.rule, rule.endpoint, audience, _callers(audience, rule.endpoint), why)


def _audience(app: APIFlask, endpoint: str) -> str:
    blueprint = app.blueprints.get(endpoint.split(".")[0]) if "." in endpoint else None
    parts = blueprint.import_name.split(".") if blueprint else []
    return parts[1] if parts[:1] == ["app"] and len(parts) > 2 else "anybody"


def _callers(audience: str, endpoint: str) -> frozenset[str]:
    if audience != "admin":
        return frozenset(_CREDENTIAL.get(audience, ()))
    roles = scope.ROLES.get(endpoint, frozenset())
    return frozenset(roles | ({"group"} if "hq" in roles else set()))
