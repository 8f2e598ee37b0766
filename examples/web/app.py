"""Says which instance answers, and counts its visitors in $NAP_DATA, which outlives releases."""
import html
import http.server
import os
import pathlib
import signal
import sys

counter = pathlib.Path(os.environ["NAP_DATA"], "visits-" + os.environ["NAP_INSTANCE"])


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        text = "ok\n"
        if self.path != "/health":
            n = int(counter.read_text()) + 1 if counter.exists() else 1
            counter.write_text(str(n))
            text = "Hello from instance {NAP_INSTANCE} of {NAP_APP}, release {NAP_RELEASE}.".format(**os.environ)
            text = f"<!doctype html><title>nap</title><p>{html.escape(text)}<p>{n} visits to this instance.\n"
            print(self.command, self.path, "visit", n, flush=True)
        data = text.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        pass


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("listening on", os.environ["PORT"], flush=True)
http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Page).serve_forever()
