"""Which operations are in the tests that run on both kinds of store. As a plugin it prints, for each such test that is collected,
the words of its source: a line of JSON each.

The source of a test is its own, that of its parameters, and that of the functions which it calls by their names.
"""

import inspect
import json
from types import CodeType, FunctionType

MARK = "every_store"
# What tests/run runs on PostgreSQL and S3.
SELECTED = f"{MARK} and not refused_before_store"


def pytest_collection_finish(session):
    for item in session.items:
        print(json.dumps(sorted(words_of_test(item))))


def words_of_test(item):
    words = {item.originalname}
    for mark in item.iter_markers(MARK):
        words.update(mark.args)
    parameters = item.callspec.params.values() if hasattr(item, "callspec") else ()
    words.update(parameter for parameter in parameters if isinstance(parameter, str))
    seen = set()
    for function in [item.function, *parameters]:
        words_of_function(function, words, seen)
    return words


def words_of_function(function, words, seen):
    """Adds the names and the texts in a function, and in those that it calls by their names."""
    function = inspect.unwrap(function) if callable(function) else function
    if not isinstance(function, FunctionType) or function in seen:
        return
    seen.add(function)
    codes = [function.__code__]
    for code in codes:
        words.update(code.co_names)
        words.update(constant for constant in code.co_consts if isinstance(constant, str))
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for name in code.co_names:
            words_of_function(function.__globals__.get(name), words, seen)
