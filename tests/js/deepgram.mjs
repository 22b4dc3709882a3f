// The official JavaScript client of Deepgram: says what it hears as one JSON object. Called by tests/sdk.
import { readFileSync } from "node:fs";
import { DeepgramClient } from "@deepgram/sdk";

const { scenario, url, key, files, options = {} } = JSON.parse(process.argv[2]);
const socketUrl = url.replace("http", "ws");
const environment = { base: url, production: socketUrl, agent: socketUrl, agentRest: url };
let client = new DeepgramClient({ apiKey: key, environment });
if (options.granted) {
  delete options.granted;
  client = new DeepgramClient({ accessToken: (await client.auth.v1.tokens.grant()).access_token, environment });
}
const pcm = (file) => readFileSync(file).subarray(44); // plain WAV: 16 kHz mono PCM16

async function live(file) {
  const socket = await client.listen.v1.connect({
    model: "nova-3", encoding: "linear16", sample_rate: 16000, reconnectAttempts: 0, ...options,
  });
  const heard = { messages: [], errors: [], closes: [] };
  socket.on("message", (message) => heard.messages.push(message));
  socket.on("error", (error) => heard.errors.push(String(error?.message ?? error)));
  const closed = new Promise((resolve) => socket.on("close", (event) => { heard.closes.push(event.code); resolve(); }));
  socket.connect();
  try {
    await socket.waitForOpen();
  } catch (error) {
    return { ...heard, refused: true };
  }
  const audio = pcm(file);
  for (let start = 0; start < audio.length; start += 3200) socket.sendMedia(audio.subarray(start, start + 3200));
  socket.sendKeepAlive({ type: "KeepAlive" });
  socket.sendFinalize({ type: "Finalize" });
  socket.sendCloseStream({ type: "CloseStream" });
  await closed;
  return heard;
}

async function turns(file) {
  const socket = await client.listen.v2.connect({
    model: "flux-general-en", encoding: "linear16", sample_rate: 16000, reconnectAttempts: 0, ...options,
  });
  const heard = { messages: [], errors: [], closes: [] };
  const connected = new Promise((resolve) => socket.on("message", (message) => {
    heard.messages.push(message);
    resolve();
  }));
  socket.on("error", (error) => heard.errors.push(String(error?.message ?? error)));
  const closed = new Promise((resolve) => socket.on("close", (event) => { heard.closes.push(event.code); resolve(); }));
  socket.connect();
  await socket.waitForOpen();
  await connected;
  socket.sendConfigure({ type: "Configure", thresholds: { eager_eot_threshold: 0.5 } });
  const audio = pcm(file);
  for (let start = 0; start < audio.length; start += 2560) socket.sendMedia(audio.subarray(start, start + 2560));
  socket.sendForceEndTurn({ type: "ForceEndTurn" });
  socket.sendCloseStream({ type: "CloseStream" });
  await closed;
  return heard;
}

async function prerecorded(file) {
  try {
    const body = await client.listen.v1.media.transcribeFile(readFileSync(file), { model: "nova-3", ...options });
    return { body };
  } catch (error) {
    return { error: error.constructor.name, status: error.statusCode, body: error.body };
  }
}

const run = { live, turns, prerecorded }[scenario];
process.stdout.write(JSON.stringify(await Promise.all(files.map(run))));
process.exit(0); // a socket that the client would open again must not keep the process
