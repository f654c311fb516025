"""A real Prometheus and a real Alertmanager on our configuration, and a webhook that hears what they say.

Only times are changed: scrapes and evaluations every second, ``for`` at most five seconds, groups told at once.
Thresholds, ranges, routes and inhibitions are those of the repository.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import yaml

from marketprism.supervisor.ports import free_ports
from tests.conftest import REPOSITORY
from tests.rules.programs import program

MONITORS = REPOSITORY / "monitors"
LONGEST_FOR_S = 5


class Heard:
    """Alerts as the webhook got them; safe for threads."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._newest: dict[tuple[tuple[str, str], ...], str] = {}

    def take(self, body: dict[str, Any]) -> None:
        with self._changed:
            for alert in body["alerts"]:
                self._newest[tuple(sorted(alert["labels"].items()))] = alert["status"]
            self._changed.notify_all()

    def wait(self, status: str, labels: Mapping[str, str], timeout_s: float) -> None:
        """Until some alert with these labels has this newest status. Raises AssertionError."""

        def there() -> bool:
            return any(newest == status and labels.items() <= dict(key).items() for key, newest in self._newest.items())

        with self._changed:
            assert self._changed.wait_for(there, timeout_s), f"{dict(labels)} not {status} within {timeout_s} s"

    def firing(self) -> list[dict[str, str]]:
        with self._changed:
            return [dict(key) for key, newest in self._newest.items() if newest == "firing"]


class Alerting:
    """``with Alerting(folder, {"monitors": port}) as alerting``: scrapes these jobs on loopback."""

    def __init__(self, folder: Path, jobs: Mapping[str, int]) -> None:
        self.heard = Heard()
        self._folder, self._jobs = folder, jobs
        self.prometheus_port, self.alertmanager_port = free_ports(2)
        self._children: list[subprocess.Popen[bytes]] = []
        self._webhook = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self.heard))

    def __enter__(self) -> Self:
        threading.Thread(target=self._webhook.serve_forever, daemon=True).start()
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for child in self._children:
            child.terminate()
        for child in self._children:
            try:
                child.wait(10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()
        self._webhook.shutdown()
        self._webhook.server_close()

    def _start(self) -> None:
        rules = self._folder / "rules"
        rules.mkdir(parents=True)
        for path in (MONITORS / "prometheus" / "rules").glob("*.yml"):
            (rules / path.name).write_text(yaml.safe_dump(_hurried(yaml.safe_load(path.read_text()))))
        (self._folder / "prometheus.yml").write_text(yaml.safe_dump(self._prometheus()))
        (self._folder / "alertmanager.yml").write_text(yaml.safe_dump(self._alertmanager()))
        self._spawn(
            "prometheus-alertmanager", "--config.file=alertmanager.yml", "--storage.path=alertmanager",
            f"--web.listen-address=127.0.0.1:{self.alertmanager_port}", "--cluster.listen-address=",
        )  # fmt: skip
        self._spawn(
            "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=prometheus",
            f"--web.listen-address=127.0.0.1:{self.prometheus_port}", "--rules.alert.resend-delay=1s",
        )  # fmt: skip
        for port in (self.alertmanager_port, self.prometheus_port):
            _eventually(lambda port=port: _answers(f"http://127.0.0.1:{port}/-/ready"), 60)  # type: ignore[misc]

    def _spawn(self, name: str, *arguments: str) -> None:
        with (self._folder / f"{name}.log").open("wb") as log:
            command = [program(name), *arguments]
            self._children.append(subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log))

    def _prometheus(self) -> dict[str, Any]:
        config: dict[str, Any] = yaml.safe_load((MONITORS / "prometheus" / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
        config["alerting"]["alertmanagers"] = [
            {"static_configs": [{"targets": [f"127.0.0.1:{self.alertmanager_port}"]}]}
        ]
        config["scrape_configs"] = [
            {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
            for job, port in self._jobs.items()
        ]
        return config

    def _alertmanager(self) -> dict[str, Any]:
        config: dict[str, Any] = yaml.safe_load((MONITORS / "alertmanager" / "alertmanager.yml").read_text())
        for route in (config["route"], *config["route"]["routes"]):
            route |= {"group_wait": "1s", "group_interval": "1s"}
        for receiver in config["receivers"]:
            for webhook in receiver["webhook_configs"]:
                webhook["url"] = f"http://127.0.0.1:{self._webhook.server_address[1]}/alerts"
        return config

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus knows now."""
        url = f"http://127.0.0.1:{self.prometheus_port}/api/v1/query?" + urllib.parse.urlencode({"query": expression})
        with urllib.request.urlopen(url, timeout=10) as response:
            return list(json.load(response)["data"]["result"])


def _hurried(document: dict[str, Any]) -> dict[str, Any]:
    for group in document["groups"]:
        for rule in group["rules"]:
            if "for" in rule:
                rule["for"] = f"{LONGEST_FOR_S}s"
    return document


def _handler(heard: Heard) -> type[BaseHTTPRequestHandler]:
    class Webhook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.take(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Webhook


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as response:
            return bool(response.status == 200)
    except OSError:
        return False


def _eventually(question: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not question():
        assert time.monotonic() < deadline, "it did not become true in time"
        time.sleep(0.1)
