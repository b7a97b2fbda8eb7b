"""A local server for one file, with or without faults."""

import contextlib
import http.server
import threading


class Server(http.server.ThreadingHTTPServer):
    """Serves one file on 127.0.0.1; answers each request with the next of `behaviors`."""

    def __init__(self, content, *behaviors):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.behaviors = list(behaviors)
        self.ranges = []
        self.url = f"http://127.0.0.1:{self.server_port}/flower_photos.tgz"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.ranges.append(self.headers.get("Range"))
        behavior = self.server.behaviors.pop(0) if self.server.behaviors else send
        behavior(self, self.server.content)

    def log_message(self, *args):
        pass


def reply(handler, body, status=200, length=None, **headers):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body) if length is None else length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def send(handler, content, most=None):
    """Sends the file, or the part that the Range header requests."""
    requested = handler.headers.get("Range")
    if requested is None:
        reply(handler, content[:most], length=len(content), Content_Type="application/gzip")
        return
    start = int(requested.removeprefix("bytes=").removesuffix("-"))
    place = f"bytes {start}-{len(content) - 1}/{len(content)}"
    body = content[start:][:most]
    reply(handler, body, 206, length=len(content) - start, Content_Range=place)


def interrupt_early(handler, content):
    send(handler, content, most=len(content) // 4)


def ignore_ranges(handler, content):
    reply(handler, content)


def answer(status):
    return lambda handler, content: reply(handler, b"<html>", status, Content_Type="text/html")


def wrong_range(handler, content):
    place = f"bytes 0-{len(content) - 1}/{len(content)}"
    reply(handler, content, 206, Content_Range=place)


def call_it_gzip(handler, content):
    reply(handler, content, Content_Encoding="gzip")


def without_length(handler, content):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(content)
    handler.close_connection = True


def too_much(handler, content):
    without_length(handler, content * 2)


def announce_too_long(handler, content):
    reply(handler, content, length=len(content) + 7)


def other_bytes(handler, content):
    reply(handler, bytes(len(content)))


@contextlib.contextmanager
def served(content, *behaviors):
    with Server(content, *behaviors) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
