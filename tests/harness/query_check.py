"""Holds answers of the Query protocol against botocore's model: names, types, patterns, required members, listed errors.

It reads the XML as it came and not through botocore's parser, which forgives unknown and missing elements.
"""

import re
import uuid
import xml.etree.ElementTree as ElementTree

from harness import model_check

# What the model does not list for each operation, since every one can have it.
COMMON_ERRORS = {"ValidationError", "AccessDenied", "MalformedInput"}
# What the model does not list for an operation, and what it must be able to say all the same.
UNLISTED_ERRORS = {"GetAccessKeyLastUsed": {"NoSuchEntity"}, "CreateRole": {"NoSuchEntity"}}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"


def check_every_answer(client):
    """Checks every answer that a boto3 client gets; returns the client."""

    def check(http_response, model, **_):
        found = list(answer_problems(model, http_response))
        assert not found, "\n".join([*found, http_response.text])

    client.meta.events.register("after-call", check)
    return client


def answer_problems(operation, response):
    """What is wrong with an answer, one sentence each."""
    if not response.headers.get("Content-Type", "").startswith("text/xml"):
        yield f"the content type is {response.headers.get('Content-Type')}"
    root = ElementTree.fromstring(response.content)
    namespace = f"{{{operation.service_model.metadata['xmlNamespace']}}}"
    for element in root.iter():
        if not element.tag.startswith(namespace):
            yield f"{element.tag} is in another namespace"
        element.tag = element.tag.split("}")[-1]
    if response.status_code == 200:
        yield from success_problems(operation, root)
    else:
        yield from error_problems(operation, root, response.status_code)


def success_problems(operation, root):
    wrapper = operation.output_shape and operation.output_shape.serialization.get("resultWrapper")
    expected = [wrapper, "ResponseMetadata"] if wrapper else ["ResponseMetadata"]
    if root.tag != f"{operation.name}Response" or [child.tag for child in root] != expected:
        yield f"{root.tag} holds {[child.tag for child in root]}, expected {expected}"
        return
    yield from request_id_problems(root.findtext("ResponseMetadata/RequestId"))
    if wrapper:
        yield from structure(operation.output_shape, root.find(wrapper), operation.name)


def error_problems(operation, root, status):
    if root.tag != "ErrorResponse" or [child.tag for child in root] != ["Error", "RequestId"]:
        yield f"{root.tag} holds {[child.tag for child in root]}"
        return
    yield from request_id_problems(root.findtext("RequestId"))
    code, kind = root.findtext("Error/Code"), root.findtext("Error/Type")
    listed = {shape.error_code: shape.metadata["error"]["httpStatusCode"] for shape in operation.error_shapes}
    if code in listed and listed[code] != status:
        yield f"{code} has status {status}, the model says {listed[code]}"
    if code not in listed and code not in COMMON_ERRORS | UNLISTED_ERRORS.get(operation.name, set()):
        yield f"{operation.name} has no {code} in the model"
    if kind != "Sender" or not 400 <= status < 500:
        yield f"{code} is of {kind} with status {status}"
    if not root.findtext("Error/Message"):
        yield "there is no message"


def request_id_problems(text):
    if not text or str(uuid.UUID(text)) != text:
        yield f"the request id is {text}"


def problems(shape, element, path):
    match shape.type_name:
        case "structure":
            yield from structure(shape, element, path)
        case "list":
            name = shape.member.serialization.get("name", "member")
            for number, item in enumerate(element):
                if item.tag != name:
                    yield f"{path} holds {item.tag}"
                yield from problems(shape.member, item, f"{path}[{number}]")
        case "map":
            for entry in element:
                if entry.tag != "entry" or sorted(child.tag for child in entry) != ["key", "value"]:
                    yield f"{path} holds {entry.tag} with {[child.tag for child in entry]}"
                else:
                    yield from problems(shape.key, entry.find("key"), f"{path} key")
                    yield from problems(shape.value, entry.find("value"), f"{path}[{entry.findtext('key')}]")
        case _:
            yield from scalar(shape, element, path)


def structure(shape, element, path):
    by_name = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
    names = [child.tag for child in element]
    if len(names) != len(set(names)):
        yield f"{path} has a member twice: {names}"
    for child in element:
        if child.tag in by_name:
            yield from problems(by_name[child.tag][1], child, f"{path}.{child.tag}")
        else:
            yield f"{path}.{child.tag} is not in the model"
    present = {by_name[name][0] for name in names if name in by_name}
    for name in set(shape.required_members) - present:
        yield f"{path}.{name} is missing"


def scalar(shape, element, path):
    text = element.text or ""
    if len(element):
        yield f"{path} has elements"
    elif shape.type_name == "timestamp":
        if not re.fullmatch(TIME, text):
            yield f"{path} is {text!r}, which is no time"
    elif shape.type_name == "boolean":
        if text not in ("true", "false"):
            yield f"{path} is {text!r}, which is no boolean"
    elif shape.type_name in ("integer", "long"):
        if re.fullmatch(r"-?\d+", text):
            yield from model_check.problems(shape, int(text), path)
        else:
            yield f"{path} is {text!r}, which is no integer"
    else:
        yield from string(shape, text, path)


def string(shape, text, path):
    yield from model_check.length(shape, len(text), path)
    if shape.enum and text not in shape.enum:
        yield f"{path} is {text!r}, which is not in {shape.enum}"
    # Python has no classes of Unicode by name.
    pattern = shape.metadata.get("pattern", "").replace(r"\p{L}\p{Z}\p{N}", r"\w\s")
    if pattern and not re.fullmatch(pattern, text):
        yield f"{path} is {text!r}, which does not match {pattern}"
