"""A real Chromium for a test: headless, its own profile, and what it asked for and complained about."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)


def installed() -> tuple[str, str] | None:
    """Chromium and its driver; None when one is missing."""
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    return (browser, driver) if browser and driver else None


_OWN = ("data:", "blob:", "about:", "chrome:")
"""What a browser makes itself; nothing of it leaves the machine."""


class Browser:
    """``until`` waits for what a script says; ``complaints`` and ``asked`` are of everything since the last call."""

    def __init__(self, base: str, artifacts: Path) -> None:
        found = installed()
        assert found is not None
        options = webdriver.ChromeOptions()
        options.binary_location = found[0]
        self._profile = tempfile.mkdtemp(prefix="marketprism-chromium-")
        for flag in (*FLAGS, f"--user-data-dir={self._profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.base = base
        self.artifacts = artifacts
        self.driver = webdriver.Chrome(options=options, service=Service(found[1]))
        self.driver.set_script_timeout(30)
        self.size(1440, 900)

    def size(self, width: int, height: int, *, phone: bool = False) -> None:
        """The viewport in CSS pixels."""
        metrics = {"width": width, "height": height, "deviceScaleFactor": 2 if phone else 1, "mobile": phone}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def open(self, path: str) -> None:
        self.driver.get(self.base + path)

    def run(self, script: str, *arguments: Any) -> Any:
        return self.driver.execute_script(f"return ({script})", *arguments)

    def text(self, selector: str) -> str:
        return str(self.run("document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def click(self, selector: str) -> None:
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def until(self, script: str, *arguments: Any, within_s: float = 60.0) -> Any:
        """The first truthy value of a script."""
        return self.until_true(lambda: self.run(script, *arguments), script, within_s)

    def until_true(self, look: Callable[[], Any], what: str, within_s: float = 60.0) -> Any:
        """The first truthy value of ``look``."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            value = look()
            if value:
                return value
            time.sleep(0.05)
        self.shot("failed")
        page = self.text("#view")[:400]
        raise AssertionError(f"not within {within_s} s: {what}; page: {page!r}; {self.complaints()}")

    def shot(self, name: str) -> Path:
        """A screenshot among the artifacts."""
        path = self.artifacts / f"{name}.png"
        self.driver.save_screenshot(str(path))
        return path

    def complaints(self) -> list[str]:
        """Warnings and errors of the console."""
        logged: list[dict[str, Any]] = self.driver.get_log("browser")
        return [entry["message"] for entry in logged if entry["level"] in ("WARNING", "SEVERE")]

    def strangers(self) -> set[str]:
        """Requests to anybody but the page's own server, and those that the policy stopped."""
        asked: set[str] = set()
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                asked.add(message["params"]["request"]["url"])
        ours = urlsplit(self.base).netloc
        return {url for url in asked if urlsplit(url).netloc != ours and not url.startswith(_OWN)}

    def close(self) -> None:
        self.driver.quit()
        shutil.rmtree(self._profile, ignore_errors=True)
