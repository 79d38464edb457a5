"""Claim: the pages are small and open at once, also for a ResNet-50: below a megabyte each.

For networks of torchvision's layouts with random weights, at 64x64 (a page does not depend on the size of the input),
and for the sample model: the pages of `analyze`, `plan` and `optimize` as the commands write them, from few and random
inputs; their bytes, their elements, and what a headless Chromium takes to load them.

    python benchmarks/pages.py [--only NAME ...]

About 25 minutes, nearly all of it planning and fitting. Needs Chromium and its driver (Debian: chromium,
chromium-driver).
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import networks
import numpy as np
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from writing import Page, parser

_SAMPLE = Path(__file__).resolve().parents[1] / "sample_models" / "digits_vgg.onnx"
_NETWORKS = ("digits_vgg", "ResNet-18", "ResNet-50")
_SIZE, _INPUTS, _OPENED = 64, 16, 9
_LOADED = """
const [entry] = performance.getEntriesByType("navigation");
return [entry.loadEventEnd - entry.startTime, document.querySelectorAll("*").length];
"""


def main() -> int:
    """Write the pages of each network, open them, write the page of figures."""
    made = parser(__doc__)
    made.add_argument("--only", nargs="+", choices=_NETWORKS, default=_NETWORKS, help="networks (all)")
    made.add_argument("--seed", type=int, default=0, help="for weights and inputs (0)")
    options = made.parse_args()
    page = Page(
        "pages",
        "Pages in a browser",
        "The pages are small and open at once, also for a ResNet-50: below a megabyte each.",
        "python benchmarks/pages.py",
        facts={"seed": options.seed, "n": f"each page opened {_OPENED} times, the median is shown"},
    )
    found = []
    with tempfile.TemporaryDirectory() as folder, _browser() as chrome:
        for name in options.only:
            for kind, path in _written(name, Path(folder) / name, options.seed):
                times, elements = _opened(chrome, path)
                found.append((name, kind, path.stat().st_size, elements, times))
        page.raw["chromium"] = str(chrome.capabilities["browserVersion"])
    page.table(
        ("network", "page", "bytes", "elements", "opened, ms", "range, ms"),
        (
            (name, kind, f"{size:,}", f"{elements:,}", f"{statistics.median(times):.0f}", _range(times))
            for name, kind, size, elements, times in found
        ),
    )
    page.say("Opened: from the start of loading a file to the end of its load event, in headless Chromium at 1280x900.")
    page.raw["pages"] = [
        {"network": name, "page": kind, "bytes": size, "elements": elements, "ms": times}
        for name, kind, size, elements, times in found
    ]
    page.write(options.output, ("jinja2", "selenium", "onnxruntime"))
    return 0


def _range(times: list[float]) -> str:
    return f"{min(times):.0f}-{max(times):.0f}"


def _written(name: str, folder: Path, seed: int) -> Iterator[tuple[str, Path]]:
    """The pages of the network called `name`."""
    folder.mkdir()
    model, side = _SAMPLE, 32
    if name in networks.NETWORKS:
        model, side = folder / "model.onnx", _SIZE
        networks.export(networks.build(name, seed), side, model)
    channels = 3 if name in networks.NETWORKS else 1
    inputs = np.random.default_rng(seed).standard_normal((_INPUTS, channels, side, side), np.float32)
    np.savez(folder / "inputs.npz", allow_pickle=False, x=inputs)
    data = ("--calibration", str(folder / "inputs.npz"), "--target-latency", "0.7")
    _convprof("analyze", str(model), "--format", "html", "-o", str(folder / "analysis.html"))
    yield "analyze", folder / "analysis.html"
    _convprof("plan", str(model), *data, "--sweep", "-o", str(folder / "run"))
    yield "plan --sweep", folder / "run" / "plan.html"
    _convprof("optimize", str(model), *data, "-o", str(folder / "run"))
    yield "optimize", folder / "run" / "report.html"


def _convprof(*arguments: str) -> None:
    """Run a command; 1 says that the result is not worth having, which is of no interest here."""
    ran = subprocess.run([sys.executable, "-m", "convprof", *arguments, "-q"], stdout=subprocess.DEVNULL, check=False)
    if ran.returncode not in (0, 1):
        raise SystemExit(f"convprof {arguments[0]} failed with {ran.returncode}")


@contextmanager
def _browser() -> Iterator[Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        raise SystemExit("needs Chromium and its driver: apt-get install chromium chromium-driver")
    os.environ["SE_OFFLINE"] = "true"
    options = ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900"):
        options.add_argument(flag)
    with Chrome(options=options, service=Service(driver)) as chrome:
        yield chrome


def _opened(chrome: Chrome, path: Path) -> tuple[list[float], int]:
    """Milliseconds of each opening but the first, and how many elements the page has."""
    times, elements = [], 0
    for _ in range(_OPENED + 1):
        chrome.get(path.as_uri())
        millis, elements = chrome.execute_script(_LOADED)
        times.append(round(float(millis), 1))
    return times[1:], int(elements)


if __name__ == "__main__":
    sys.exit(main())
