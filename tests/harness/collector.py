"""A collector of OpenTelemetry traces on this machine, which keeps the spans that it is sent."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from harness.server import wait_for


class Span:
    """A span as OTLP's JSON has it, and the service that it is from."""

    def __init__(self, told, resource):
        self.trace_id = told["traceId"]
        self.span_id = told["spanId"]
        self.parent = told.get("parentSpanId")
        self.name = told["name"]
        self.kind = told["kind"]
        self.milliseconds = (int(told["endTimeUnixNano"]) - int(told["startTimeUnixNano"])) / 1e6
        self.status = told["status"]
        self.attributes = attributes(told["attributes"])
        self.resource = attributes(resource["attributes"])
        assert len(self.trace_id) == 32 and len(self.span_id) == 16, told


def attributes(told):
    def value(of):
        ((kind, value),) = of.items()
        return int(value) if kind == "intValue" else value

    return {each["key"]: value(each["value"]) for each in told}


class Collector:
    """`answer` makes a status of the number of a request, from 0."""

    def __init__(self, answer=lambda number: 200):
        self.requests = []
        self.spans = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = answer(len(collector.requests))
                collector.requests.append(
                    (self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                )
                if status == 200:
                    for resource in json.loads(body)["resourceSpans"]:
                        for scope in resource["scopeSpans"]:
                            collector.spans += [Span(span, resource["resource"]) for span in scope["spans"]]
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def wait_for(self, condition, what):
        """The first span that fits, once it is there."""
        wait_for(lambda: any(condition(span) for span in list(self.spans)), f"a span of {what}")
        return next(span for span in self.spans if condition(span))

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
