// The page: its controls start and stop runs, and each run's events go to every room.
import { find, make, write } from "./dom.js";
import { Feedback } from "./feedback.js";
import { Key } from "./key.js";
import { Measures } from "./measures.js";
import { Notices } from "./notices.js";
import { Painter } from "./painter.js";
import { Run } from "./run.js";
import { Server } from "./server.js";
import { LARGEST_BYTES } from "./sources.js";
import { Spectrum } from "./spectrum.js";
import { StreamCard } from "./stream.js";
import { Transcript } from "./transcript.js";
import * as troubles from "./troubles.js";
import { Waveform } from "./waveform.js";

const address = new URL(".", location.href).href;
const server = new Server(address);
const key = new Key();
const notices = new Notices();
const transcript = new Transcript();
const feedback = new Feedback();
const waveform = new Waveform(find("waveform"));
const spectrum = new Spectrum(find("spectrum"));
const rooms = { transcript, feedback, waveform, spectrum, measures: new Measures(), stream: new StreamCard() };
const painter = new Painter([waveform, spectrum]);
let samples = []; // recordings the server has
let run = null;
let turns = 0;

/** Let in by the server, asking for a key if it wants one. */
async function enter() {
  server.key = key.value;
  let status = await server.admits();
  if (status === 401) {
    find("ask-key").hidden = false;
    const check = (tried) => {
      server.key = tried;
      return server.admits();
    };
    if (!await key.ask(check)) {
      notices.show("key", "warn", "A key is needed", "This server is for those who have one of its keys.");
      return false;
    }
    status = 200;
  }
  server.admitted = status === 200;
  if (!server.admitted) {
    notices.show("connection", "error", ...troubles.ofConnection(status, server.health));
    return false;
  }
  find("ask-key").hidden = true;
  find("metrics-link").hidden = Boolean(key.value); // a link cannot send it
  notices.clear("key");
  notices.clear("connection");
  enable();
  return true;
}

function enable() {
  for (const id of ["microphone", "open-file", "sample", "samples"]) find(id).disabled = false;
  if (!samples.length) find("sample").disabled = find("samples").disabled = true;
}

/** @param {(run: Run) => Promise<void>} open gives the run its sound */
async function start(title, open) {
  const turn = ++turns;
  while (run) await run.leave();
  if (await server.admits() !== 200 && !await enter()) return;
  if (turn !== turns || run) return; // somebody was hasty: the last wish counts
  notices.clearAll();
  run = new Run({ server, key, notices, rooms, painter, enter, reference: feedback.reference, changed: showRun });
  await run.begin(title, open);
}

function showRun(finished) {
  if (finished && finished !== run) return;
  if (finished) run = null;
  find("microphone").classList.toggle("running", Boolean(run));
  write(find("microphone-label"), run ? (run.stopping ? "Do not wait" : "Stop") : "Start microphone");
}

function toggleMicrophone() {
  if (run) return run.leave();
  return start("Microphone", (current) => current.openMicrophone());
}

async function playFile(file) {
  if (!file) return undefined;
  if (file.size > LARGEST_BYTES) {
    return notices.show("source", "error", ...troubles.ofSize(file.name));
  }
  return start(file.name, async (current) => current.play(await file.arrayBuffer(), file.name));
}

async function playSample() {
  const sample = samples[find("samples").selectedIndex];
  return start(`Sample ${sample.name}`, async (current) => {
    const answer = await fetch(new URL(`dashboard/recordings/${sample.name}`, address));
    await current.play(await answer.arrayBuffer(), sample.name);
  });
}

function titleOf({ text, duration_s: seconds }) {
  const words = text ? text.split(" ").length : 0;
  return `${words ? `${words} words` : "no words"}, ${Math.round(seconds)} s`;
}

async function loadSamples() {
  const { body } = await server.ask("dashboard/recordings");
  samples = body?.recordings ?? [];
  find("samples").append(...samples.map((sample) => make("option", "", titleOf(sample))));
  find("use-sample").onclick = () => { feedback.reference = samples[find("samples").selectedIndex]?.text ?? ""; };
}

function takeDrops() {
  const drop = find("drop");
  const hasFile = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  addEventListener("dragover", (event) => {
    if (!hasFile(event)) return;
    event.preventDefault();
    drop.hidden = false;
  });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.hidden = true; });
  addEventListener("drop", (event) => {
    drop.hidden = true;
    if (!hasFile(event)) return;
    event.preventDefault();
    if (!find("open-file").disabled) playFile(event.dataTransfer.files[0]);
  });
}

find("microphone").onclick = toggleMicrophone;
find("open-file").onclick = () => find("file").click();
find("file").onchange = () => { playFile(find("file").files[0]); find("file").value = ""; };
find("sample").onclick = playSample;
find("audible").onchange = () => run?.hear(find("audible").checked);
find("ask-key").onclick = enter;
write(find("address"), `${address.replace(/^http/, "ws")}api/v1/stream/voice/ID`);
addEventListener("pagehide", () => run?.abort());
takeDrops();
await server.refresh();
await loadSamples();
await enter();
server.watch();
