"""A real browser without a window, driven through Chromium's DevTools protocol."""

import base64
import itertools
import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import websocket

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--mute-audio",
    "--remote-debugging-port=0",
    "--remote-allow-origins=*",
)
# Windows' numbers of keys that are no characters.
KEY_NUMBERS = {
    "Enter": 13,
    "Tab": 9,
    "Backspace": 8,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
    " ": 32,
}
KEY_TEXTS = {"Enter": "\r", " ": " "}


def find_chromium() -> str:
    """The browser's program; a machine without one fails the test and says what to install."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        pytest.fail("this test opens the page in a browser and finds none: apt-get install -y chromium", pytrace=False)
    return found


class Browser:
    """One page of a running browser."""

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, timeout=30, http_no_proxy=["127.0.0.1"])
        self._numbers = itertools.count(1)
        self.problems: list[str] = []
        self.requests: list[str] = []
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol, and its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                assert "error" not in message, f"{method}: {message['error']}"
                return message["result"]
            self._note(message)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, f"{expression}: {answer['exceptionDetails']}"
        return answer["result"].get("value")

    def open(self, path: Path, fragment: str = "") -> None:
        """Open a file as a person does who clicks on it."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=path.resolve().as_uri() + fragment)
        self.wait_for("document.readyState === 'complete' && location.protocol === 'file:'")

    def press(self, *keys: str) -> None:
        """Press and release keys one after the other."""
        for key in keys:
            text = KEY_TEXTS.get(key, key if len(key) == 1 else "")
            number = KEY_NUMBERS.get(key, ord(key.upper()) if len(key) == 1 else 0)
            shared = {"key": key, "windowsVirtualKeyCode": number}
            self.call("Input.dispatchKeyEvent", type="keyDown", text=text, **shared)
            self.call("Input.dispatchKeyEvent", type="keyUp", **shared)

    def wait_for(self, expression: str, seconds: float = 20.0) -> None:
        """Wait until an expression is true."""
        ends = time.monotonic() + seconds
        while not self.evaluate(f"Boolean({expression})"):
            assert time.monotonic() < ends, f"not true within {seconds:g} s: {expression}; problems: {self.problems}"
            time.sleep(0.03)

    def text(self, selector: str) -> str:
        """What an element says."""
        return str(self.evaluate(f"document.querySelector({selector!r}).textContent")).strip()

    def resize(self, width: int, height: int, dark: bool = False) -> None:
        """Give the page another size, and light or dark colours."""
        shape = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.call("Emulation.setDeviceMetricsOverride", **shape)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])

    def screenshot(self, path: Path, whole: bool = False) -> None:
        """Save what is seen as PNG."""
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(shot["data"]))

    def save_downloads_to(self, folder: Path) -> None:
        """Where files go that the page saves."""
        self.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(folder))

    def close(self) -> None:
        """Let go of the page."""
        self._socket.close()

    def _note(self, message: dict[str, Any]) -> None:
        values = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            details = values["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", details["text"]))
        if message.get("method") == "Log.entryAdded" and values["entry"]["level"] == "error":
            self.problems.append(values["entry"]["text"])
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(values["request"]["url"])


@contextmanager
def running_browser() -> Iterator[Browser]:
    """Start a browser with an empty profile and end it again."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [find_chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            browser = Browser(_page_address(process, Path(profile) / "DevToolsActivePort"))
            yield browser
            browser.call("Browser.close")
            browser.close()
            process.wait(timeout=20)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=20)


def _page_address(process: subprocess.Popen[bytes], port_file: Path) -> str:
    """Address of the browser's first page, from the port that it wrote down."""
    from urllib.request import ProxyHandler, build_opener

    ends = time.monotonic() + 60
    while not (port_file.is_file() and port_file.read_text().count("\n")):
        assert process.poll() is None, f"the browser ended with code {process.returncode} as it began"
        assert time.monotonic() < ends, "the browser did not start within a minute"
        time.sleep(0.05)
    port = port_file.read_text().split("\n")[0]
    with build_opener(ProxyHandler({})).open(f"http://127.0.0.1:{port}/json/list", timeout=30) as answer:
        pages = [page for page in json.load(answer) if page["type"] == "page"]
    return str(pages[0]["webSocketDebuggerUrl"])
