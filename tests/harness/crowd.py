"""A process that holds very many connections: `crowd.py HOST:PORT SOURCE IDLE SLOW`.

It opens them from one address, says `open` when so many were opened, and then opens anew what the server closes, some
hundred in a second, until its standard input ends. Idle ones send nothing; slow ones send a byte of a head now and then.
"""

import contextlib
import errno
import resource
import select
import socket
import sys
import time

HEAD = b"GET /v2/ HTTP/1.1\r\nHost: localhost\r\nX-Slow: "
AT_A_TIME = 256
AGAIN_SECONDS = 0.25
DRIP_SECONDS = 2


class Crowd:
    def __init__(self, address, source, idle, slow):
        self.address, self.source = address, source
        self.wanted = {True: slow, False: idle}
        self.count = {True: 0, False: 0}
        self.kinds = {}
        self.sockets = {}
        self.poll = select.epoll()
        self.opened = self.closed = 0

    def open(self, is_slow):
        connection = socket.socket()
        connection.setblocking(False)
        # Which ports are free is found out when it connects: there are more of them so.
        connection.setsockopt(socket.IPPROTO_IP, 24, 1)
        connection.bind((self.source, 0))
        code = connection.connect_ex(self.address)
        if code not in (0, errno.EINPROGRESS):
            connection.close()
            return False
        self.sockets[connection.fileno()] = connection
        self.kinds[connection.fileno()] = is_slow
        self.count[is_slow] += 1
        self.opened += 1
        self.poll.register(
            connection.fileno(), select.EPOLLIN | select.EPOLLRDHUP | (select.EPOLLOUT if is_slow else 0)
        )
        return True

    def close(self, number):
        self.poll.unregister(number)
        self.count[self.kinds.pop(number)] -= 1
        self.sockets.pop(number).close()
        self.closed += 1

    def fill(self):
        """Opens some of those that are missing."""
        for is_slow, wanted in self.wanted.items():
            for _ in range(min(AT_A_TIME, wanted - self.count[is_slow])):
                if not self.open(is_slow):
                    return

    def look(self):
        for number, events in self.poll.poll(0.01):
            if events & (select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
                self.close(number)
            elif events & select.EPOLLOUT:
                with contextlib.suppress(OSError):
                    self.sockets[number].send(HEAD)
                self.poll.modify(number, select.EPOLLIN | select.EPOLLRDHUP)

    def drip(self):
        for number, connection in self.sockets.items():
            if self.kinds[number]:
                with contextlib.suppress(OSError):
                    connection.send(b"x")


def main(host, source, idle, slow):
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    name, _, port = host.rpartition(":")
    crowd = Crowd((name, int(port)), source, int(idle), int(slow))
    is_told, dripped, filled = False, time.monotonic(), 0
    while not select.select([sys.stdin], [], [], 0)[0]:
        if not is_told or time.monotonic() - filled > AGAIN_SECONDS:
            filled = time.monotonic()
            crowd.fill()
        crowd.look()
        if not is_told and crowd.opened >= sum(crowd.wanted.values()):
            is_told = True
            print("open", flush=True)
        if time.monotonic() - dripped > DRIP_SECONDS:
            dripped = time.monotonic()
            crowd.drip()
    print(f"closed {crowd.closed}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
