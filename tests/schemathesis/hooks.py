"""What no schema can say, for schemathesis (SCHEMATHESIS_HOOKS=tests/schemathesis/hooks.py).

Requests that are meant to be valid get what would make them invalid for a reason beyond their
schema taken off. Requests that are meant to be invalid stay as they are.
"""

import itertools

import schemathesis
from schemathesis.generation import GenerationMode

count = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    query = case.query or {}
    # A cursor is only ever one that a list gave out.
    query.pop("cursor", None)
    # A period does not end before it begins: one of its ends is enough.
    if "from" in query and "to" in query:
        del query["to"]
    # A key stands for one request: with another it is refused, as it should be.
    if "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = f"schemathesis-{next(count)}"
