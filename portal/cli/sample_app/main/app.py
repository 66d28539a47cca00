"""A small web application without dependencies: it greets, and tells where it runs."""

import html
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HOST = os.environ.get("HOST", "127.0.0.1")
PORT = int(os.environ.get("PORT", "8000"))
GREETING = os.environ.get("GREETING", "Hello")
PAGE = Path(__file__).with_name("page.html").read_text(encoding="utf-8")


class Handler(BaseHTTPRequestHandler):
    """Answers ``/`` with the page and ``/health`` with a word."""

    def do_GET(self) -> None:
        """Answer one request."""
        if self.path == "/health":
            self.answer(200, "text/plain; charset=utf-8", "ok\n")
        elif self.path == "/":
            page = PAGE.replace("{greeting}", html.escape(GREETING)).replace("{address}", f"{HOST}:{PORT}")
            self.answer(200, "text/html; charset=utf-8", page)
        else:
            self.answer(404, "text/plain; charset=utf-8", "There is nothing here.\n")

    def answer(self, status: int, media_type: str, text: str) -> None:
        """Send one answer."""
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    print(f"listening on {HOST}:{PORT}", flush=True)
    ThreadingHTTPServer((HOST, PORT), Handler).serve_forever()
