// The dashboard in headless Chromium, used as somebody would.
// The first line of the input is {executable, wav}; each further one is a scene {does, url, ...}, answered with a line.
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const PATIENCE = { timeout: 20_000 };
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { executable, wav } = JSON.parse((await lines.next()).value);
const browser = await chromium.launch({
  executablePath: executable,
  args: [
    "--no-sandbox",
    "--use-fake-device-for-media-stream",
    `--use-file-for-fake-audio-capture=${wav}%noloop`,
    "--autoplay-policy=no-user-gesture-required",
  ],
});
let page, seen; // of the scene that is played

/** A page of its own for each scene; whatever it complains of and asks for is seen. */
async function open({ url, allowed, refusedHz }) {
  const context = await browser.newContext({ permissions: allowed ? ["microphone"] : [] });
  page = await context.newPage();
  const now = { complaints: [], asked: [] };
  seen = now;
  page.on("console", (message) => message.type() === "error" && now.complaints.push(message.text()));
  page.on("pageerror", (error) => now.complaints.push(String(error)));
  page.on("request", (request) => now.asked.push(request.url()));
  page.on("websocket", (socket) => now.asked.push(socket.url()));
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (event) => window.violations.push(event.violatedDirective));
  });
  if (refusedHz) await page.addInitScript(resampleNothing, refusedHz);
  await page.goto(url);
}

/** As in Firefox, which does not resample a microphone: at that rate there is no source. */
function resampleNothing(refusedHz) {
  const { createMediaStreamSource } = AudioContext.prototype;
  window.rates = [];
  AudioContext.prototype.createMediaStreamSource = function (media) {
    window.rates.push(this.sampleRate);
    if (this.sampleRate !== refusedHz) return createMediaStreamSource.call(this, media);
    throw new DOMException("AudioNodes of contexts with different sample-rate", "NotSupportedError");
  };
}

const text = (selector) => page.textContent(selector);
const until = (condition, argument) => page.waitForFunction(condition, argument, PATIENCE);
const ready = () => until(() => !document.getElementById("microphone").disabled);
const finished = () => until(() => document.getElementById("connection").textContent === "not streaming");
const words = () => page.$$eval("#transcript .text", (lines) => lines.map((line) => line.textContent).join(" "));
/** The notice about a subject once it says so, as it is at that moment: the next one may be there already. */
const notice = async (subject, words = "") => {
  const place = `.notice[data-subject="${subject}"]`;
  const said = await until(([where, part]) => {
    const text = document.querySelector(where)?.textContent ?? "";
    return text.includes(part) && text;
  }, [place, words]);
  return said.jsonValue();
};

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
  async sample({ reference }) {
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

  async microphone({ key }) {
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
    seen.rates = await page.evaluate(() => window.rates);
    await page.reload();
    await ready();
    seen.dialog = await page.$eval("#key-dialog", (dialog) => dialog.open);
    seen.complaints = seen.complaints.filter((complaint) => !complaint.includes("401"));
  },

  async files({ file }) {
    await ready();
    await page.click("#microphone");
    seen.denied = await notice("source");
    await drop("broken.mp3", "bm8gc291bmQ=");
    seen.unreadable = await notice("source", "broken.mp3");
    await drop("speech.wav", readFileSync(file).toString("base64"));
    await until(() => document.querySelector("#transcript .word"));
    await finished();
    seen.words = await words();
    seen.notices = await page.$$eval(".notice", (all) => all.length);
  },

  async restart() {
    await ready();
    await page.evaluate(() => {
      window.told = [];
      new MutationObserver((changes) => changes.forEach(({ addedNodes }) => {
        for (const node of addedNodes) window.told.push(node.textContent);
      })).observe(document.getElementById("notices"), { childList: true });
    });
    await page.selectOption("#samples", { index: 1 });
    await page.click("#sample");
    await until(() => document.querySelectorAll("#transcript .word").length >= 2);
    const happened = (words) => until(
      (part) => document.getElementById("happenings").textContent.includes(part), words);
    await happened("sent again");
    await happened("to a new session");
    const before = await page.$$eval("#transcript .word", (all) => all.length);
    await until((count) => document.querySelectorAll("#transcript .word").length > count, before);
    seen.connection = await text("#connection");
    await until(() => document.getElementById("level").textContent.includes("dB"));
    seen.told = await page.evaluate(() => window.told);
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
      const voice = [...document.querySelectorAll("#streams tr")].find((row) => row.cells[1].textContent === "voice");
      return fetch(`/api/v1/stream/stop/${voice.cells[0].textContent}`, { method: "POST" });
    });
    seen.stopped = await notice("source");
    await finished();
    await page.click("#sample");
    await until(() => document.getElementById("connection").textContent === "live");
    await page.evaluate(() => {
      for (let press = 0; press < 2; press++) document.getElementById("microphone").click(); // stop, and do not wait
    });
    await finished();
    seen.notices = await page.$$eval(".notice", (all) => all.map((it) => it.textContent));
  },

  /** An hour of events at once: the page keeps so much and no more. */
  async hour() {
    await ready();
    seen.kept = await page.evaluate(async () => {
      const load = async (name) => import(`/dashboard/${name}.js`);
      const { Transcript } = await load("transcript");
      const { StreamCard } = await load("stream");
      const { Waveform } = await load("waveform");
      const transcript = new Transcript();
      const rooms = [transcript, new StreamCard(), new Waveform(document.getElementById("waveform"))];
      const tell = (event, seconds) => rooms.forEach((room) => room.hear(event, seconds));
      const latency_ms = { total_ms: 1, inference_ms: 1, buffer_ms: 0, queue_ms: 0 };
      const block = new Int16Array(16_000).map((_, index) => index % 3000);
      for (let utterance = 0; utterance < 1200; utterance++) {
        const words = [{ word: "one", start: 3 * utterance, end: 3 * utterance + 0.4, confidence: 0.4, stable: true }];
        const said = { utterance, start: 3 * utterance, text: "one", stable_text: "one", words, latency_ms };
        rooms[2].push(block);
        tell({ type: "analysis", onsets: [3 * utterance], buffer_usage: 0.1, dropped: 0 }, 3 * utterance);
        tell({ type: "speech_started", utterance, start: 3 * utterance }, 3 * utterance);
        tell({ type: "partial", buffer_usage: 0.1, dropped: 0, ...said }, 3 * utterance);
        const trigger = { trigger_id: `t${utterance}`, text: "one", confidence: 1 };
        tell({ type: "early_trigger", utterance, ...trigger }, 3 * utterance);
        tell({ type: "reply_delta", utterance, text: "two" }, 3 * utterance);
        tell({ type: "final", ...said }, 3 * utterance);
        tell({ type: "speech_ended", utterance, end: 3 * utterance + 1 }, 3 * utterance);
        rooms[2].push(block);
        rooms[2].push(block);
      }
      const { onsets, speech, words } = rooms[2];
      return {
        lines: document.querySelectorAll("#transcript li").length,
        known: transcript.lines.size,
        happenings: document.querySelectorAll("#happenings li").length,
        doubtful: document.querySelectorAll("#transcript .doubtful").length,
        reply: document.querySelector("#transcript .reply").textContent,
        shown: onsets.length + speech.length + words.size,
      };
    });
  },

  async full() {
    await ready();
    await page.click("#sample");
    seen.notice = await notice("measures");
    seen.complaints = [];
  },
};

for await (const line of lines) {
  const ask = JSON.parse(line);
  try {
    await open(ask);
    await scenes[ask.does](ask);
    seen.violations = await page.evaluate(() => window.violations);
  } catch (error) {
    const shown = await page?.$$eval("#happenings li, .notice, .chip", (all) => all.map((it) => it.textContent));
    seen = { error: `${ask.does}: ${error.stack}`, shown, complaints: seen?.complaints };
  }
  await page?.context().close();
  process.stdout.write(`${JSON.stringify(seen)}\n`);
}
await browser.close();
