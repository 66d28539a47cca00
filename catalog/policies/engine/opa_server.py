"""OpaServerEngine: asks an OPA server, where an installation has one; the second engine behind the same protocol.

A server holds the bundles of many tenants, so each is put below a prefix of its own (``modules`` of the bundle), and
only as many as fit are kept there. The time comes from the question, not from the server's clock.
"""

import threading
from collections import OrderedDict
from typing import Any
from urllib.parse import quote

import httpx

from catalog.policies.engine.builtins import refusal
from catalog.policies.engine.contract import ABSENT, CompiledBundle, Decided, DenialCode, Denied, Outcome, Question
from catalog.policies.engine.inputs import InputRefusedError, depth_of, input_text

_MOST_BUNDLES = 50
_DRAWN = frozenset({"rand.intn", "uuid.rfc4122"})
_ASK = "slipway_ask"


class OpaServerEngine:
    """The engine ``opa-server``; ``url`` is the server's address, such as ``http://127.0.0.1:8181``."""

    name = "opa-server"

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url.rstrip("/"), timeout=10.0)
        self._lock = threading.Lock()
        self._there: OrderedDict[str, CompiledBundle] = OrderedDict()
        self._version = ""

    def close(self) -> None:
        """Give the connections back."""
        self._http.close()

    @property
    def version(self) -> str:
        """Return what the server says of itself, asked once; "" where it does not answer."""
        if not self._version:
            try:
                answer = self._http.post("/v1/query", json={"query": "version := opa.runtime().version"})
                self._version = f"opa {answer.json()['result'][0]['version']}"[:200]
            except (httpx.HTTPError, ValueError, LookupError, TypeError):
                return ""
        return self._version

    def evaluate(self, question: Question) -> Outcome:
        """Answer the question; a server that cannot be reached, or takes too long, denies."""
        problem = _refusal(question)
        if problem is not None:
            return problem
        try:
            body = _body(question)
        except InputRefusedError as refusal_of_input:
            return Denied(refusal_of_input.code, str(refusal_of_input))
        try:
            answer = self._ask(question, body)
            if _is_undefined(answer) and not self._is_there(question.bundle):
                # The server has started again, or another process took the bundle away.
                with self._lock:
                    self._there.pop(question.bundle.digest, None)
                answer = self._ask(question, body)
        except httpx.HTTPError as error:
            return Denied(DenialCode.UNAVAILABLE, f"The OPA server did not answer ({type(error).__name__}).")
        except _BundleRefusedError as refused:
            return Denied(DenialCode.BUNDLE_INVALID, f"The OPA server refused the bundle: {refused}.")
        return _outcome(question, answer)

    def _ask(self, question: Question, body: dict[str, Any]) -> httpx.Response:
        bundle = question.bundle
        self._ensure(bundle)
        strict = {"strict-builtin-errors": "true" if question.strict else "false"}
        path = _path(bundle.prefix, f"{_ASK}/{_rule(question.entrypoint)}")
        if question.input is ABSENT:
            path = _path(bundle.prefix, question.entrypoint)
        return self._http.post(path, params=strict, json=body, timeout=question.budget.seconds)

    def _is_there(self, bundle: CompiledBundle) -> bool:
        return "result" in self._http.get(_path(bundle.prefix, f"{_ASK}/there")).json()

    def _ensure(self, bundle: CompiledBundle) -> None:
        with self._lock:
            if bundle.digest in self._there:
                self._there.move_to_end(bundle.digest)
                return
            self._put(bundle)
            self._there[bundle.digest] = bundle
            while len(self._there) > _MOST_BUNDLES:
                _digest, old = self._there.popitem(last=False)
                self._take_away(old)

    def _put(self, bundle: CompiledBundle) -> None:
        waiting = {**bundle.modules, f"{_ASK}.rego": _asking_module(bundle)}
        self._expect(self._http.put(f"/v1/data/{bundle.prefix.replace('.', '/')}", json=dict(bundle.data)))
        # A module is only taken when the functions that it calls are there, so what fails is tried again after others.
        while waiting:
            refused: dict[str, str] = {}
            problem: httpx.Response | None = None
            for name, source in waiting.items():
                answer = self._http.put(_policy(bundle, name), content=source, headers={"Content-Type": "text/plain"})
                if answer.status_code != 200:
                    refused[name], problem = source, answer
            if problem is not None and len(refused) == len(waiting):
                self._take_away(bundle)
                self._expect(problem)
            waiting = refused

    def _take_away(self, bundle: CompiledBundle) -> None:
        for name in (f"{_ASK}.rego", *bundle.modules):
            self._http.delete(_policy(bundle, name))
        self._http.delete(f"/v1/data/{bundle.prefix.replace('.', '/')}")

    @staticmethod
    def _expect(answer: httpx.Response) -> None:
        if answer.status_code >= 300:
            raise _BundleRefusedError(answer.text[:500].replace("\n", " "))


class _BundleRefusedError(Exception):
    """The server does not take the bundle."""


def _refusal(question: Question) -> Denied | None:
    bundle = question.bundle
    if question.entrypoint not in bundle.entrypoints:
        return Denied(DenialCode.UNKNOWN_ENTRYPOINT, f"The bundle has no entry point {question.entrypoint}.")
    unknown = sorted(name for name in bundle.builtins if refusal(name) is not None)
    if unknown:
        reason = f"The policy calls {', '.join(unknown)}, which no release policy may use."
        return Denied(DenialCode.UNKNOWN_BUILTIN, reason)
    drawn = sorted(_DRAWN.intersection(bundle.builtins))
    if drawn:
        reason = f"The policy calls {', '.join(drawn)}, which an OPA server cannot answer the same way twice."
        return Denied(DenialCode.UNKNOWN_BUILTIN, reason)
    reason = ""
    if not bundle.modules or not bundle.prefix:
        reason = "The bundle has no sources that a server could evaluate."
    elif question.data is not None:
        reason = "An OPA server has the data of the bundle and takes no other."
    elif question.input is ABSENT and "time.now_ns" in bundle.builtins:
        reason = "An OPA server takes the time with the input, and there is none."
    return Denied(DenialCode.UNAVAILABLE, reason) if reason else None


def _body(question: Question) -> dict[str, Any]:
    if question.input is ABSENT:
        return {}
    input_text(question.input, question.budget)
    return {"input": {"input": question.input, "now_ns": question.moment.now_ns}}


def _asking_module(bundle: CompiledBundle) -> str:
    """Return the module that asks each entry point with the input and the time of a question."""
    lines = [f"package {bundle.prefix}.{_ASK}", "", "there := true", ""]
    for entrypoint in bundle.entrypoints:
        target = f"data.{bundle.prefix}.{entrypoint.replace('/', '.')}"
        scope = "with input as input.input with time.now_ns as input.now_ns"
        lines.append(f"{_rule(entrypoint)} := answer if {{\n\tanswer := {target} {scope}\n}}\n")
    return "\n".join(lines)


def _rule(entrypoint: str) -> str:
    return "ask_" + entrypoint.replace("/", "__")


def _path(prefix: str, rest: str) -> str:
    return f"/v1/data/{prefix.replace('.', '/')}/{rest}"


def _policy(bundle: CompiledBundle, name: str) -> str:
    return f"/v1/policies/{quote(bundle.prefix, safe='')}/{quote(name, safe='/')}"


def _is_undefined(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and "result" not in answer.json()


def _outcome(question: Question, answer: httpx.Response) -> Outcome:
    if answer.status_code != 200:
        return _problem(answer)
    if len(answer.content) > question.budget.output_bytes:
        return Denied(DenialCode.OUTPUT_TOO_LARGE, "The policy's answer is too large.")
    document = answer.json()
    if "result" not in document:
        return Denied(DenialCode.UNDEFINED, f"{question.entrypoint} is undefined for this input.")
    if depth_of(document["result"], question.budget.depth) > question.budget.depth:
        return Denied(DenialCode.TOO_DEEP, "The policy's answer is nested too deeply.")
    return Decided(document["result"])


def _problem(answer: httpx.Response) -> Denied:
    try:
        document = answer.json()
        errors = document.get("errors") or [{}]
        reason = str(errors[0].get("message") or document.get("message") or "")
    except (ValueError, AttributeError):
        reason = ""
    code = DenialCode.ERROR if answer.status_code < 500 or reason else DenialCode.UNAVAILABLE
    return Denied(code, f"The policy stopped: {reason[:500].rstrip('.') or f'status {answer.status_code}'}.")
