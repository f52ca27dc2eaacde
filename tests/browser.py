"""A headless Chromium for tests, by the WebDriver protocol; no library is needed.

`with Browser() as browser:` starts chromedriver and a browser with a profile of its own.
Both are gone afterwards, whatever happened."""

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

CHROMIUM, DRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--hide-scrollbars"]
PATIENCE = 60  # seconds for one command

MISSING = next((f"{path} is not installed" for path in (CHROMIUM, DRIVER)
                if not os.access(path, os.X_OK)), None)


def _belongs_to(process, profile):
    try:
        with open(f"/proc/{process}/cmdline", "rb") as file:
            return f"--user-data-dir={profile}".encode() in file.read().split(b"\0")
    except OSError:
        return False


def end_browser(profile):
    """Ends the processes that name this profile, ours and nobody else's, and removes it."""
    for _ in range(20):
        left = [int(name) for name in os.listdir("/proc")
                if name.isdigit() and _belongs_to(name, profile)]
        if not left:
            break
        for process in left:
            with contextlib.suppress(OSError):
                os.kill(process, signal.SIGKILL)
        time.sleep(0.1)
    shutil.rmtree(profile, ignore_errors=True)


def watch(driver, profile):
    """Waits for the end of the test, however it comes, and cleans up behind it."""
    sys.stdin.read()
    with contextlib.suppress(OSError):
        os.kill(driver, signal.SIGTERM)
    end_browser(profile)


class Browser:
    def __init__(self):
        self.profile = tempfile.mkdtemp(prefix="kma-chromium-")
        self.driver = self.watcher = self.session = None

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def _start(self):
        self.driver = subprocess.Popen([DRIVER, "--port=0"], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                       text=True, start_new_session=True)
        # Should this process be killed, its cleanups do not run; those of another one do.
        self.watcher = subprocess.Popen([sys.executable, "-B", os.path.abspath(__file__),
                                         str(self.driver.pid), self.profile],
                                        stdin=subprocess.PIPE, start_new_session=True)
        port = None
        for line in self.driver.stdout:
            if found := re.search(r"started successfully on port (\d+)", line):
                port = found[1]
                break
        if port is None:
            raise RuntimeError("chromedriver did not start")
        self.address = f"http://127.0.0.1:{port}"
        options = {"binary": CHROMIUM, "args": [*FLAGS, f"--user-data-dir={self.profile}"]}
        answer = self._send("POST", "/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = answer["sessionId"]

    def stop(self):
        if self.session is not None:
            with contextlib.suppress(Exception):
                self._send("DELETE", f"/session/{self.session}", patience=10)
            self.session = None
        if self.watcher is not None:
            self.watcher.stdin.close()
            self.watcher.wait()
        else:
            end_browser(self.profile)
        if self.driver is not None:
            self.driver.kill()
            self.driver.wait()
            self.driver.stdout.close()

    def _send(self, method, path, body=None, patience=PATIENCE):
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.address + path, data, method=method,
                                         headers={"Content-Type": "application/json"})
        try:
            # No proxy has a say in what goes to this very machine.
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            with opener.open(request, timeout=patience) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as problem:
            with problem:
                raise RuntimeError(json.load(problem)["value"]["message"]) from None

    def command(self, method, path, body=None):
        return self._send(method, f"/session/{self.session}{path}", body)

    def devtools(self, name, **parameters):
        return self.command("POST", "/goog/cdp/execute", {"cmd": name, "params": parameters})

    # ---- what tests use

    def screen(self, width, height, scale=1, mobile=False):
        self.devtools("Emulation.setDeviceMetricsOverride", width=width, height=height,
                      deviceScaleFactor=scale, mobile=mobile)
        self.devtools("Emulation.setTouchEmulationEnabled", enabled=mobile)

    def theme(self, name):
        self.devtools("Emulation.setEmulatedMedia",
                      features=[{"name": "prefers-color-scheme", "value": name}])

    def scripting(self, on):
        self.devtools("Emulation.setScriptExecutionDisabled", value=not on)

    def open(self, path):
        self.command("POST", "/url", {"url": "file://" + os.path.abspath(path)})

    def run(self, script, *arguments):
        """What `script`, the body of a function, returns."""
        return self.command("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def errors(self):
        """Of the console, since the last call."""
        return [entry["message"] for entry in self.command("POST", "/se/log", {"type": "browser"})
                if entry["level"] == "SEVERE"]

    def screenshot(self, path):
        with open(path, "wb") as file:
            file.write(base64.b64decode(self.command("GET", "/screenshot")))

    def point(self, *steps):
        """A mouse, in order: ("move", x, y), ("down",), ("up",)."""
        kinds = {"move": "pointerMove", "down": "pointerDown", "up": "pointerUp"}
        actions = [{"type": kinds[name], "button": 0} if name != "move" else
                   {"type": kinds[name], "duration": 0, "x": int(at[0]), "y": int(at[1])}
                   for name, *at in steps]
        self.command("POST", "/actions", {"actions": [
            {"type": "pointer", "id": "mouse", "parameters": {"pointerType": "mouse"},
             "actions": actions}]})

    def wheel(self, x, y, by):
        self.command("POST", "/actions", {"actions": [
            {"type": "wheel", "id": "wheel", "actions": [
                {"type": "scroll", "x": int(x), "y": int(y), "deltaX": 0, "deltaY": by,
                 "duration": 0}]}]})

    def keys(self, text):
        actions = []
        for key in text:
            actions += [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}]
        self.command("POST", "/actions", {"actions": [
            {"type": "key", "id": "keyboard", "actions": actions}]})


if __name__ == "__main__":
    watch(int(sys.argv[1]), sys.argv[2])
