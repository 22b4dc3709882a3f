"""Takes the picture of the dashboard in the docs: a real server, real Chromium, a sample in the middle of a word.

    python scripts/dashboard_picture.py [dark]

Needs `make dev` (the JavaScript packages of the tests) and a Chromium.
"""

from __future__ import annotations

import base64
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "docs" / "pictures" / "dashboard.png"
MOST_BYTES = 150_000
MARKS = 5  # of eight words, when the picture is taken
READ = "two eight five nine seven nine for six"  # nearly what the sample says

LOOK = """
import { chromium } from "playwright-core";
const { executablePath, url, colorScheme, marks, read } = %s;
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
const page = await browser.newPage({ colorScheme, viewport: { width: 1200, height: 1500 }, deviceScaleFactor: 1.25 });
await page.goto(url);
await page.waitForSelector("#sample:enabled");
await page.fill("#reference", read);
await page.click("#sample");
const height = await page.$eval("#server-card", (card) => card.getBoundingClientRect().top - 2);
const hasTone = () => document.getElementById("pitch").textContent.includes("Hz");
let picture;
do { // a voiced sound may be over by the time the picture is taken
  await page.waitForFunction((marks) => {
    const marked = document.querySelectorAll('#feedback li:not([data-status="pending"])').length;
    const tone = document.getElementById("pitch").textContent.includes("Hz");
    return tone && document.querySelector(".utterance + .utterance .unstable:not(:empty)") && marked >= marks;
  }, marks, { polling: 20 });
  picture = await page.screenshot({ clip: { x: 0, y: 0, width: 1200, height } });
} while (!await page.evaluate(hasTone));
process.stdout.write(picture.toString("base64"));
await browser.close();
"""


def main(scheme: str) -> None:
    """Serve, look, and write the file."""
    executable = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if executable is None:
        sys.exit("no Chromium on this machine")
    command = [sys.executable, "-m", "fastring", "serve", "--model", "digits", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().rpartition("ready on ")[2].strip()
        try:
            png = look(executable, url, scheme)
        finally:
            server.terminate()
    with Image.open(io.BytesIO(png)) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(PICTURE, optimize=True)
    size = PICTURE.stat().st_size
    if size > MOST_BYTES:
        sys.exit(f"{PICTURE.name} has {size} bytes, and {MOST_BYTES} are the most")


def look(executable: str, url: str, scheme: str) -> bytes:
    """What Chromium shows, as PNG."""
    asked = {"executablePath": executable, "url": url, "colorScheme": scheme, "marks": MARKS, "read": READ}
    command = ["node", "--input-type=module", "--eval", LOOK % json.dumps(asked)]
    result = subprocess.run(command, cwd=ROOT / "tests" / "js", check=True, capture_output=True, timeout=60)
    return base64.b64decode(result.stdout)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "light")
