// OpenAI's own client, unchanged: recordings in every form, models, errors; live speech where the server has TLS.
import fs from "node:fs";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";

const asked = JSON.parse(process.argv[2]);
const client = new OpenAI({ baseURL: `${asked.url}/v1`, apiKey: asked.key, maxRetries: 0 });
const transcribe = (options) =>
  client.audio.transcriptions.create({ model: "whisper-1", file: fs.createReadStream(asked.files[0]), ...options });
const failure = (error) => ({ kind: error.constructor.name, status: error.status, code: error.code, param: error.param });

async function recordings() {
  const [json, text, srt, verbose] = await Promise.all([
    transcribe({}),
    transcribe({ response_format: "text" }),
    transcribe({ response_format: "srt" }),
    transcribe({ response_format: "verbose_json", timestamp_granularities: ["word"] }),
  ]);
  const deltas = [];
  let done;
  for await (const event of await transcribe({ stream: true })) {
    if (event.type === "transcript.text.delta") deltas.push(event.delta);
    else done = event;
  }
  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  const stranger = client.withOptions({ apiKey: "wrong" });
  const errors = await Promise.all(
    [transcribe({ model: "none" }), transcribe({ response_format: "xml" }), stranger.models.list()].map((it) =>
      it.then(() => null, failure),
    ),
  );
  return { json, text, srt, verbose, deltas, done, models, errors };
}

// A page that has nothing but a short-lived key, which this client asked for.
async function page() {
  const secret = await client.realtime.clientSecrets.create({
    expires_after: { anchor: "created_at", seconds: 60 },
    session: { type: "transcription", audio: { input: { transcription: { model: "whisper-1", language: "en" } } } },
  });
  const own = client.withOptions({ apiKey: secret.value });
  const refused = await own.realtime.clientSecrets.create({}).then(() => null, failure);
  const events = await live(own);
  return { secret, refused, events };
}

// Speech at 24 kHz in, events out, up to the end of a turn that holds as many words as are said.
function live(speaker = client) {
  const options = { model: "gpt-realtime", options: { rejectUnauthorized: false } };
  const socket = new OpenAIRealtimeWS(options, speaker);
  const events = [];
  const words = () =>
    events.filter((it) => it.transcript).reduce((count, it) => count + it.transcript.split(" ").length, 0);
  return new Promise((resolve, reject) => {
    socket.on("error", reject);
    socket.on("session.created", () => {
      const audio = fs.readFileSync(asked.files[0]);
      for (let start = 0; start < audio.length; start += 9600) {
        const piece = audio.subarray(start, start + 9600).toString("base64");
        socket.send({ type: "input_audio_buffer.append", audio: piece });
      }
    });
    socket.on("event", (event) => {
      events.push(event);
      if (words() >= asked.words) {
        socket.close();
        resolve(events);
      }
    });
  });
}

console.log(JSON.stringify(await { recordings, live, page }[asked.scenario]()));
