"""What a client is told: headers on every limited answer, and a refusal in the form that it accepts.

``RateLimit`` and ``RateLimit-Policy`` are those of draft-ietf-httpapi-ratelimit-headers-10, ``Retry-After`` that of
RFC 9110, the problem RFC 9457's. A 429 is never stored (RFC 6585).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import ceil
from pathlib import Path

from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.http.multipartparser import MultiPartParserError
from django.template import Context, Engine, TemplateDoesNotExist
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers

from .decision import Decision, Quota

PROBLEM, JSON, HTML, TEXT = "application/problem+json", "application/json", "text/html", "text/plain"
QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
REDUCED_CAPACITY = "https://iana.org/assignments/http-problem-types#temporary-reduced-capacity"
EXPOSE = "Access-Control-Expose-Headers"
TEMPLATES = Path(__file__).parent.parent / "templates"
UNITS = ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def refusal(request: HttpRequest, decisions: Iterable[Decision]) -> HttpResponse:
    """Return the 429 for the denials among *decisions*, in the form that ``Accept`` prefers.

    HTML is the site's ``429.html``, with ``wait`` ("2 minutes") and ``retry_after`` (seconds) in its context, else our
    own page; rendered without the request, for a denied client must not make a template work. When it was Redis that
    did not answer, and a rule is closed then, the status is 503 (``503.html``).
    """
    denials = [decision for decision in decisions if not decision.allowed]
    status = 503 if all(denial.unavailable for denial in denials) else 429
    seconds = max(1, *(ceil(denial.retry_after) for denial in denials))
    kind = preferred(request)
    response = HttpResponse(FORMS[kind](status, denials, seconds), content_type=kind, status=status)
    response.headers["Retry-After"] = str(seconds)
    response.headers["Cache-Control"] = "no-store"
    patch_vary_headers(response, ["Accept"])
    return response


def answer_to(error: Exception) -> HttpResponse:
    """Return an empty response of the status that Django will answer *error* with."""
    return HttpResponse(status=next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500))


def annotate(request: HttpRequest, response: HttpResponseBase, decisions: Iterable[Decision]) -> None:
    """Tell the client its limits and what is left of them."""
    for name, value in headers(request, decisions).items():
        given = response.headers.get(name) if name == EXPOSE else None
        response.headers[name] = f"{given}, {value}" if given else value


def headers(request: HttpRequest, decisions: Iterable[Decision]) -> dict[str, str]:
    """Return the headers that tell limits, and what is left of them, to a page of another origin too."""
    quotas = [(name, quota) for decision in decisions for name, quota in _named(decision)]
    if not quotas:
        return {}
    return {
        "RateLimit-Policy": ", ".join(_policy(name, quota) for name, quota in quotas),
        "RateLimit": ", ".join(_left(name, quota) for name, quota in quotas),
    } | ({EXPOSE: "RateLimit, RateLimit-Policy, Retry-After"} if "Origin" in request.headers else {})


def preferred(request: HttpRequest) -> str:
    """Return the media type to answer with; of those accepted alike, the first of `FORMS`."""
    try:
        return request.get_preferred_type(list(FORMS)) or TEXT
    except ValueError:  # an Accept that nobody can read
        return TEXT


def said(seconds: int) -> str:
    """Return *seconds* in the largest unit that they fill twice, rounded up: ``45 seconds``, ``2 minutes``."""
    size, unit = next(((size, unit) for size, unit in UNITS if seconds >= 2 * size), UNITS[-1])
    count = ceil(seconds / size)
    return f"{count} {unit}{'' if count == 1 else 's'}"


def _named(decision: Decision) -> Iterator[tuple[str, Quota]]:
    """Yield the quotas of *decision* that a client may know: not those of a rule that only looks on."""
    if decision.exceeded and decision.allowed:
        return
    for quota in decision.quotas:
        yield (decision.rule if len(decision.quotas) == 1 else f"{decision.rule}:{quota.rate}"), quota


def _policy(name: str, quota: Quota) -> str:
    return f"{_string(name)};q={quota.limit};w={quota.rate.period}"


def _left(name: str, quota: Quota) -> str:
    return f"{_string(name)};r={quota.remaining};t={ceil(quota.retry_after or quota.reset_after)}"


def _string(text: str) -> str:
    """Return *text* as a String of RFC 9651, which knows printable ASCII only."""
    plain = "".join(char if " " <= char <= "~" else "?" for char in text)
    return '"{}"'.format(plain.replace("\\", "\\\\").replace('"', '\\"'))


def _problem(status: int, denials: Sequence[Decision], seconds: int) -> str:
    told = {
        "type": QUOTA_EXCEEDED if status == 429 else REDUCED_CAPACITY,
        "title": TITLES[status],
        "status": status,
        "detail": f"Try again in {said(seconds)}.",
    }
    exceeded = [name for denial in denials for name, quota in _named(denial) if quota.retry_after]
    return json.dumps(told | ({"violated-policies": exceeded} if exceeded else {}))


def _page(status: int, denials: Sequence[Decision], seconds: int) -> str:
    context = {"title": TITLES[status], "wait": said(seconds), "retry_after": seconds}
    try:
        return render_to_string(f"{status}.html", context)
    except TemplateDoesNotExist:
        return Engine(dirs=[str(TEMPLATES)]).get_template("django_redis_patterns/429.html").render(Context(context))


def _text(status: int, denials: Sequence[Decision], seconds: int) -> str:
    return f"{TITLES[status]}. Try again in {said(seconds)}.\n"


STATUSES: dict[type[Exception], int] = {
    Http404: 404,
    PermissionDenied: 403,
    BadRequest: 400,
    SuspiciousOperation: 400,
    MultiPartParserError: 400,
}
TITLES = {429: "Too many requests", 503: "Service unavailable"}
FORMS: dict[str, Callable[[int, Sequence[Decision], int], str]] = {
    PROBLEM: _problem,
    JSON: _problem,
    HTML: _page,
    TEXT: _text,
}
