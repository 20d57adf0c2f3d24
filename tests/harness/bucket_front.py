"""What stands before the S3 server for clients that are sent to it: it looks at presigned URLs as S3 does, which moto does not."""

import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit, urlunsplit
from urllib.request import Request, urlopen

from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from harness import bucket


class BucketFront:
    """Serves GET of presigned URLs alone. `served` are the keys that were read; `ahead` seconds make it later than it is."""

    def __init__(self):
        self.served = []
        self.refused = []
        self.ahead = 0
        front = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                front._serve(self)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        # Another name than the registry's: to that name a client of Go's library sends what the registry's is for.
        self.url = f"http://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def _serve(self, request):
        url = f"http://{request.headers['Host']}{request.path}"
        problem = self.problem(url, request.headers)
        if problem:
            self.refused.append(problem)
            return self._answer(request, *problem)
        asked = Request(bucket.server_url() + urlsplit(url).path)
        # Any key is good enough for moto.
        asked.add_header("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request")
        if request.headers["Range"]:
            asked.add_header("Range", request.headers["Range"])
        with urlopen(asked, timeout=60) as answer:
            content, kept = answer.read(), {name: answer.headers[name] for name in ("Content-Range", "ETag")}
            status = answer.status
        self.served.append(urlsplit(url).path.rpartition("/")[2])
        return self._answer(request, status, content, **{name: value for name, value in kept.items() if value})

    @staticmethod
    def _answer(request, status, content, **headers):
        body = content if isinstance(content, bytes) else content.encode()
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def problem(self, url, headers):
        """The status and the code with which S3 refuses a URL; None if it does not."""
        if headers["Authorization"]:
            return 400, "InvalidArgument: Only one auth mechanism allowed"
        parts = urlsplit(url)
        query = {name: values[0] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if "X-Amz-Signature" not in query:
            return 403, "AccessDenied"
        begun = datetime.strptime(query["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        if not begun - 900 <= time.time() + self.ahead <= begun + int(query["X-Amz-Expires"]):
            return 403, "AccessDenied: Request has expired"
        if query["X-Amz-Signature"] != signature(url, query["X-Amz-Date"]):
            return 403, "SignatureDoesNotMatch"
        return None


def signature(url, date):
    """The signature that a presigned GET of the URL must have, by botocore's reckoning."""
    parts = urlsplit(url)
    rest = "&".join(pair for pair in parts.query.split("&") if not pair.startswith("X-Amz-Signature="))
    request = AWSRequest("GET", urlunsplit(parts._replace(query=rest)))
    request.context["timestamp"] = date
    credentials = Credentials(bucket.KEY["aws_access_key_id"], bucket.KEY["aws_secret_access_key"])
    signer = S3SigV4QueryAuth(credentials, "s3", bucket.KEY["region_name"])
    return signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request)
