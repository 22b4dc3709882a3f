// The dashboard in headless Chromium, used as somebody would. Says what was seen, as JSON.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { executable, url, does, wav = "", key = "", reference = "", allowed = true } = JSON.parse(process.argv[2]);
const PATIENCE = { timeout: 20_000 };
const browser = await chromium.launch({
  executablePath: executable,
  args: [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    allowed ? "--use-fake-ui-for-media-stream" : "--deny-permission-prompts",
    ...(wav ? [`--use-file-for-fake-audio-capture=${wav}%noloop`] : []),
    "--autoplay-policy=no-user-gesture-required",
  ],
});
const page = await browser.newPage();
const seen = { complaints: [], asked: [], protocols: [] };
page.on("console", (message) => message.type() === "error" && seen.complaints.push(message.text()));
page.on("pageerror", (error) => seen.complaints.push(String(error)));
page.on("request", (request) => seen.asked.push(request.url()));
page.on("websocket", (socket) => seen.asked.push(socket.url()));
await page.addInitScript(() => {
  window.violations = [];
  document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
});

const text = (selector) => page.textContent(selector);
const until = (condition, argument) => page.waitForFunction(condition, argument, PATIENCE);
const ready = () => until(() => !document.getElementById("microphone").disabled);
const finished = () => until(() => document.getElementById("connection").textContent === "not streaming");
const words = () => page.$$eval("#transcript .text", (lines) => lines.map((line) => line.textContent).join(" "));
const notice = (subject) => page.textContent(`.notice[data-subject="${subject}"]`, PATIENCE);

/** Note each settled word that is changed or taken away, and what the measures show meanwhile. */
function watch() {
  window.broken = [];
  window.shown = { pitch: new Set(), level: new Set(), unstable: new Set() };
  new MutationObserver((changes) => {
    for (const { target, removedNodes } of changes) {
      const place = target.nodeType === Node.TEXT_NODE ? target.parentElement : target;
      if (place?.closest(".stable") && (removedNodes.length || target.nodeType === Node.TEXT_NODE)) {
        window.broken.push(place.textContent);
      }
    }
  }).observe(document.getElementById("transcript"), { childList: true, subtree: true, characterData: true });
  const look = () => {
    for (const id of ["pitch", "level"]) window.shown[id].add(document.getElementById(id).textContent);
    for (const tail of document.querySelectorAll(".unstable")) window.shown.unstable.add(tail.textContent);
  };
  setInterval(look, 30);
}

const painted = (id) => page.$eval(`#${id}`, (canvas) => {
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let index = 3; index < data.length; index += 4) count += data[index] > 0;
  return count / (data.length / 4);
});

async function drop(name, base64) {
  const transfer = await page.evaluateHandle(([title, encoded]) => {
    const bytes = Uint8Array.from(atob(encoded), (letter) => letter.charCodeAt(0));
    const data = new DataTransfer();
    data.items.add(new File([bytes], title));
    return data;
  }, [name, base64]);
  await page.dispatchEvent("body", "dragover", { dataTransfer: transfer });
  await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
}

const scenes = {
  async sample() {
    await ready();
    await page.evaluate(watch);
    await page.selectOption("#samples", { index: 3 });
    await page.fill("#reference", reference);
    await page.click("#sample");
    await until(() => document.querySelectorAll("#streams tr.mine").length === 3);
    await until(() => document.querySelectorAll("#transcript .word").length >= 3);
    seen.waveform = await painted("waveform");
    seen.spectrum = await painted("spectrum");
    await finished();
    seen.words = await words();
    seen.triggers = await page.$$eval(".trigger", (all) => all.map((it) => it.textContent));
    seen.feedback = await page.$$eval("#feedback li", (all) => all.map((it) => it.dataset.status));
    for (const id of ["score", "onsets", "latency", "buffer", "dropped", "health", "engine", "spoken"]) {
      seen[id] = await text(`#${id}`);
    }
    Object.assign(seen, await page.evaluate(() => ({
      broken: window.broken,
      pitches: [...window.shown.pitch], levels: [...window.shown.level], tails: [...window.shown.unstable],
    })));
    await page.evaluate(() => {
      window.violations.length = 0;
      document.body.append(Object.assign(document.createElement("script"), { textContent: "window.injected = true" }));
    });
    seen.injected = await page.evaluate(() => [window.injected ?? false, window.violations]);
    seen.complaints = seen.complaints.filter((complaint) => !complaint.includes("inline script violates"));
  },

  async microphone() {
    await page.waitForSelector("#key-dialog[open]");
    await page.fill("#key", "wrong");
    await page.keyboard.press("Enter");
    await until(() => document.getElementById("key-problem").textContent);
    seen.problem = await text("#key-problem");
    await page.fill("#key", key);
    await page.keyboard.press("Enter");
    await ready();
    seen.complaints = seen.complaints.filter((complaint) => !complaint.includes("401"));
    await page.click("#microphone");
    await until(() => document.querySelectorAll("#transcript .word").length >= 3);
    seen.connection = await text("#connection");
    await page.click("#microphone");
    await finished();
    seen.words = await words();
    await page.reload();
    await ready();
    seen.dialog = await page.$eval("#key-dialog", (dialog) => dialog.open);
    seen.complaints = seen.complaints.filter((complaint) => !complaint.includes("401"));
  },

  async files() {
    await ready();
    await page.click("#microphone");
    seen.denied = await notice("source");
    await drop("broken.mp3", "bm8gc291bmQ=");
    await until(() => document.querySelector(".notice")?.textContent.includes("broken.mp3"));
    seen.unreadable = await notice("source");
    await drop("speech.wav", readFileSync(wav).toString("base64"));
    await until(() => document.querySelector("#transcript .word"));
    await finished();
    seen.words = await words();
    seen.notices = await page.$$eval(".notice", (all) => all.length);
  },

  async restart() {
    await ready();
    await page.selectOption("#samples", { index: 1 });
    await page.click("#sample");
    await until(() => document.querySelectorAll("#transcript .word").length >= 2);
    const happened = (words) => until(
      (part) => document.getElementById("happenings").textContent.includes(part), words);
    await happened("sent again");
    await until(() => document.querySelector(".notice")?.textContent.includes("not reachable"));
    seen.lost = await notice("connection");
    await happened("to a new session");
    seen.back = await notice("connection");
    const before = await page.$$eval("#transcript .word", (all) => all.length);
    await until((count) => document.querySelectorAll("#transcript .word").length > count, before);
    seen.connection = await text("#connection");
    await until(() => document.getElementById("level").textContent.includes("dB"));
    seen.happened = await page.$$eval("#happenings li span", (all) => all.map((it) => it.textContent));
    seen.complaints = [];
  },

  async hasty() {
    await ready();
    await page.evaluate(() => {
      for (const id of ["sample", "microphone", "sample", "sample"]) document.getElementById(id).click();
    });
    await until(() => document.getElementById("connection").textContent === "live");
    await until(() => document.querySelectorAll("#streams tr.mine").length === 2);
    seen.streams = await page.$$eval("#streams tr", (rows) => rows.map((row) => row.cells[1].textContent).sort());
    await page.evaluate(() => {
      for (let press = 0; press < 2; press++) document.getElementById("microphone").click(); // stop, and do not wait
    });
    await finished();
    seen.notices = await page.$$eval(".notice", (all) => all.map((it) => it.textContent));
  },

  async full() {
    await ready();
    await page.click("#sample");
    seen.notice = await notice("measures");
    seen.complaints = [];
  },
};

try {
  await page.goto(url);
  await scenes[does]();
  seen.violations = await page.evaluate(() => window.violations);
  process.stdout.write(JSON.stringify(seen));
} finally {
  await browser.close();
}
