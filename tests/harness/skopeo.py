"""The skopeo command against one server."""

import json

from harness.commands import program, refused, run


class Skopeo:
    """`arguments` say how the registry is reached and trusted."""

    def __init__(self, server, host=None, prefix=(), certificates=None):
        self.server = server
        self.host = host or server.host
        self.prefix = list(prefix)
        self.certificates = certificates

    def _access(self, side):
        """The options of a registry as source, as destination or, with an empty side, as the only one."""
        dash = f"{side}-" if side else ""
        trust = [f"--{dash}cert-dir={self.certificates}"] if self.certificates else []
        return [f"--{dash}creds=AWS:{self.server.password}", f"--{dash}tls-verify={str(bool(trust)).lower()}", *trust]

    def image(self, name, reference):
        separator = "@" if reference.startswith("sha256:") else ":"
        return f"docker://{self.host}/{name}{separator}{reference}"

    def _run(self, runner, *arguments):
        return runner(*self.prefix, program("skopeo"), "--insecure-policy", *arguments, timeout=600)

    def copy(self, source, destination, *options):
        return self._run(run, "copy", *options, *self._sides(source, destination), source, destination)

    def copy_refused(self, source, destination, *options):
        return self._run(refused, "copy", *options, *self._sides(source, destination), source, destination)

    def _sides(self, source, destination):
        sides = [("src", source), ("dest", destination)]
        return [option for side, name in sides if name.startswith("docker:") for option in self._access(side)]

    def inspect(self, image, *options):
        return self._run(run, "inspect", *self._access(""), *options, image).stdout

    def list_tags(self, name):
        said = self._run(run, "list-tags", *self._access(""), f"docker://{self.host}/{name}").stdout
        return json.loads(said)["Tags"]

    def delete(self, image):
        return self._run(run, "delete", *self._access(""), image)
