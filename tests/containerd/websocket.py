# SPDX-License-Identifier: Apache-2.0
"""A client of the streams that containerd serves for a kubelet (exec, attach, port-forward), by WebSocket (RFC 6455): a message
begins with a byte that names its channel."""
import base64
import os
import socket
import struct
import urllib.parse

from host import LIMIT, Wrong

STDIN, STDOUT, STDERR, STATUS, RESIZE = range(5)


class WebSocket:
    def __init__(self, url, protocol="v4.channel.k8s.io"):
        parts = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parts.hostname, parts.port), LIMIT)
        self.data = b""
        key = base64.b64encode(os.urandom(16)).decode()
        path = parts.path + ("?" + parts.query if parts.query else "")
        self.socket.sendall(("GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: %s\r\n"
                             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: %s\r\n\r\n" % (path, parts.netloc, key, protocol)).encode())
        while b"\r\n\r\n" not in self.data:
            self.more()
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise Wrong("no WebSocket: %r" % head)

    def more(self):
        got = self.socket.recv(65536)
        if not got:
            raise EOFError
        self.data += got

    def take(self, n):
        while len(self.data) < n:
            self.more()
        out, self.data = self.data[:n], self.data[n:]
        return out

    def receive(self):
        """(channel, bytes); EOFError at the end."""
        while True:
            first, second = self.take(2)
            n = second & 0x7f
            if n == 126:
                n = struct.unpack(">H", self.take(2))[0]
            elif n == 127:
                n = struct.unpack(">Q", self.take(8))[0]
            data = self.take(n)
            if first & 0xf == 8:
                raise EOFError
            if first & 0xf in (1, 2) and data:
                return data[0], data[1:]

    def send(self, channel, data):
        data = bytes([channel]) + data
        head = struct.pack(">BBH", 0x82, 0x80 | 126, len(data))
        self.socket.sendall(head + b"\0\0\0\0" + data)

    def read(self, channel):
        """All of a channel up to the end."""
        out = b""
        try:
            while True:
                which, data = self.receive()
                if which == channel:
                    out += data
        except EOFError:
            return out.decode(errors="replace")

    def until(self, channel, part):
        out = b""
        while part not in out:
            which, data = self.receive()
            if which == channel:
                out += data
        return out.decode(errors="replace")

    def close(self):
        self.socket.close()
