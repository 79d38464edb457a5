"""A browser's window: opens a page as a reader has it before them, and tells what the page did."""

from __future__ import annotations

import json
from base64 import b64decode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome
from selenium.webdriver.remote.command import Command

HEARD = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) => violations.push(event.violatedDirective));
"""
# The markup without its texts: each element with its depth and the names of its attributes. Where lines may break is
# up to the texts.
SKELETON = """
const depth = (each) => { let count = 0; while ((each = each.parentElement)) count += 1; return count; };
return [...document.querySelectorAll(":not(wbr)")].map(
  (each) => `${depth(each)} ${each.tagName.toLowerCase()} ${each.getAttributeNames().sort().join(" ")}`);
"""
OUTSIDE = """
const scroll = (each) => each.closest(".scroll");
const inside = (each) => scroll(each) !== null && getComputedStyle(scroll(each)).overflowX === "auto";
return [...document.body.querySelectorAll("*")].filter((each) => !inside(each) && each.checkVisibility())
  .filter((each) => { const box = each.getBoundingClientRect(); return box.width && box.right > innerWidth + 1; })
  .map((each) => `${each.tagName} ${each.className} ${each.textContent.trim().slice(0, 40)}`);
"""
UNNAMED = """
const told = (each) => each.getAttribute("aria-hidden") === "true" || each.getAttribute("aria-label")
  || each.querySelector(":scope > title")?.textContent;
return [
  ...[...document.querySelectorAll("svg")].filter((each) => !told(each)),
  ...document.querySelectorAll("img:not([alt]), figure:not(:has(figcaption)), th:not([scope])"),
  ...[...document.querySelectorAll("a, button, summary, h1, h2, h3")].filter((each) => !each.textContent.trim()),
].map((each) => each.outerHTML.slice(0, 80));
"""
# WCAG 2.2: (lighter + 0.05) / (darker + 0.05) of the relative luminances of a text and of what is painted behind it.
CONTRASTS = """
document.querySelectorAll("details").forEach((each) => { each.open = true; });
const read = (text) => { const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number); return { rgb: [r, g, b], a }; };
const over = (top, below) => top.rgb.map((each, at) => each * top.a + below[at] * (1 - top.a));
const linear = (each) => each / 255 <= 0.04045 ? each / 255 / 12.92 : ((each / 255 + 0.055) / 1.055) ** 2.4;
const luminance = (rgb) => { const [r, g, b] = rgb.map(linear); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const ground = (each) => each === null ? [255, 255, 255]
  : over(read(getComputedStyle(each).backgroundColor), ground(each.parentElement));
const opacity = (each) => each === null ? 1 : getComputedStyle(each).opacity * opacity(each.parentElement);
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
const found = [];
while (walker.nextNode()) {
  const text = walker.currentNode.textContent.trim(), holder = walker.currentNode.parentElement;
  if (!text || !holder.checkVisibility() || holder.closest("svg, script")) continue;
  const behind = ground(holder), ink = read(getComputedStyle(holder).color);
  const [low, high] = [luminance(behind), luminance(over({ ...ink, a: ink.a * opacity(holder) }, behind))].sort(
    (a, b) => a - b);
  found.push([(high + 0.05) / (low + 0.05), `${holder.tagName} ${holder.className} ${text.slice(0, 40)}`]);
}
return found;
"""


@dataclass(frozen=True)
class Contrast:
    """How a text stands out, and what it says."""

    ratio: float
    text: str


class Window:
    """What a reader has before them. `open` begins anew; all else tells of the page that is open."""

    def __init__(self, chrome: Chrome) -> None:
        self.chrome = chrome
        self._ask("Page.addScriptToEvaluateOnNewDocument", source=HEARD)

    def open(self, page: Path, *, width: int = 1280, scheme: str = "light", medium: str = "screen") -> None:
        """Show a file; `width` in CSS pixels."""
        self.chrome.get("about:blank")
        self._ask("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=False)
        wishes = {"prefers-color-scheme": scheme, "prefers-reduced-motion": "reduce"}
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self._ask("Emulation.setEmulatedMedia", media=medium, features=features)
        for log in ("browser", "performance"):
            self._log(log)
        self.chrome.get(page.as_uri())

    def run(self, script: str, *arguments: object) -> Any:
        """What a script in the page returns."""
        return self.chrome.execute_script(script, *arguments)

    def complaints(self) -> list[str]:
        """Errors in the console, and whatever the page's policy has stopped."""
        severe = [each["message"] for each in self._log("browser") if each["level"] == "SEVERE"]
        return [*severe, *self.run("return window.violations")]

    def requests(self) -> list[str]:
        """Addresses that the page asked for, its own among them."""
        events = [json.loads(each["message"])["message"] for each in self._log("performance")]
        return [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]

    def skeleton(self) -> list[str]:
        """The markup without its texts, in the order of the document."""
        return list(self.run(SKELETON))

    def outside(self) -> list[str]:
        """What stands beyond the right edge and cannot be scrolled to within its table."""
        return list(self.run(OUTSIDE))

    def unnamed(self) -> list[str]:
        """What a screen reader could say nothing of."""
        return list(self.run(UNNAMED))

    def contrasts(self) -> list[Contrast]:
        """Of every visible text, those in closed sections included."""
        return [Contrast(float(ratio), text) for ratio, text in self.run(CONTRASTS)]

    def printed(self) -> bytes:
        """The page as a PDF of A4."""
        return b64decode(self._ask("Page.printToPDF", paperWidth=8.27, paperHeight=11.69)["data"])

    def _ask(self, command: str, **arguments: object) -> dict[str, Any]:
        found: dict[str, Any] = self.chrome.execute_cdp_cmd(command, arguments)
        return found

    def _log(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.chrome.execute(Command.GET_LOG, {"type": name})["value"]
        return found
