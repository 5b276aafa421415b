"""What a client asks for and gets, seen on the way between it and the exporter."""

import dataclasses
import http.client
import http.server
import threading

# Of a request and of an answer, what belongs to one connection only.
HOP = {"connection", "host", "transfer-encoding", "content-length", "keep-alive"}


@dataclasses.dataclass(frozen=True)
class Exchange:
    accept: str
    content_type: str
    encoding: str
    bytes: int


class Proxy:
    """Passes GET on, and remembers the headers of each scrape. `accept` is what it asks for in the client's place."""

    def __init__(self, exporter, accept=None):
        self.exchanges = []
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                proxy.pass_on(self, exporter, accept)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def pass_on(self, handler, exporter, accept):
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in HOP}
        if accept is not None:
            headers["Accept"] = accept
        connection = http.client.HTTPConnection(exporter, timeout=10)
        try:
            connection.request("GET", handler.path, headers=headers)
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        handler.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in HOP:
                handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)
        self.exchanges.append(
            Exchange(
                accept=headers.get("Accept", ""),
                content_type=answer.getheader("Content-Type", ""),
                encoding=answer.getheader("Content-Encoding", "identity"),
                bytes=len(body),
            )
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
