"""Says whether a history of concurrent operations on a register could have come from one that does them one at a time.

The search is Wing and Gong's with Lowe's memory of states: take any operation that no other one had ended before, see
whether the register could have answered as it did, and go on without it.
"""

import math
from dataclasses import dataclass

ABSENT = None


@dataclass(frozen=True)
class Operation:
    """One operation. `returned` is infinity if nobody knows whether it took place.

    `kind` is "read" with the value that was read (ABSENT if there was none), "write" with the value, "create" with the
    value and whether it `succeeded` (it must fail if there is another), or "remove", which `succeeded` if there was one.
    """

    kind: str
    called: float
    returned: float
    value: object = ABSENT
    succeeded: bool = True

    @property
    def is_known(self):
        return self.returned != math.inf


def step(operation, state):
    """The states that the register may be in afterwards; none if it cannot have answered so."""
    match operation.kind:
        case "read":
            return [state] if not operation.is_known or operation.value == state else []
        case "write":
            return [operation.value]
        case "create":
            may_succeed = state in (ABSENT, operation.value)
            if not operation.is_known:
                return [operation.value] if may_succeed else [state]
            if operation.succeeded:
                return [operation.value] if may_succeed else []
            return [] if may_succeed else [state]
        case "remove":
            if not operation.is_known:
                return [ABSENT]
            return [ABSENT] if operation.succeeded == (state is not ABSENT) else []
    raise AssertionError(operation.kind)


def is_linearizable(history, initial=ABSENT):
    """Whether some order of the operations explains all answers and keeps the order of those that did not overlap.

    What nobody knows to have taken place need not have.
    """
    operations = sorted(history, key=lambda operation: operation.called)
    wanted = sum(1 << at for at, operation in enumerate(operations) if operation.is_known)
    seen = set()
    pending = [(0, initial)]
    while pending:
        done, state = pending.pop()
        if done & wanted == wanted:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        # Nothing that was called after one of the others had ended can come first.
        first_end = math.inf
        for at, operation in enumerate(operations):
            if done >> at & 1:
                continue
            if operation.called > first_end:
                break
            first_end = min(first_end, operation.returned)
            pending.extend((done | 1 << at, after) for after in step(operation, state))
    return False
