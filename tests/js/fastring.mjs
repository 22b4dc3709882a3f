// The package's own JavaScript client in headless Chromium. Prints the events of one stream as a JSON list.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { executable, url, wav, microphone, seconds, options } = JSON.parse(process.argv[2]);
const browser = await chromium.launch({
  executablePath: executable,
  args: [
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    `--use-file-for-fake-audio-capture=${wav}%noloop`,
    "--autoplay-policy=no-user-gesture-required",
  ],
});

async function converse({ url, pcm, microphone, seconds, options }) {
  const client = await import("/static/fastring.js");
  const stream = new client.VoiceStream(url, options);
  const events = [];
  const heard = (async () => { for await (const event of stream) events.push(event); })();
  const sleep = (s) => new Promise((resolve) => setTimeout(resolve, s * 1000));
  if (microphone) {
    const recording = await client.microphone(stream, {
      constraints: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    await sleep(seconds);
    await recording.stop();
  } else {
    const bytes = Uint8Array.from(atob(pcm), (character) => character.charCodeAt(0));
    const samples = new Int16Array(bytes.buffer);
    for (let at = 0; at < samples.length; at += 1600) {
      stream.send(samples.subarray(at, at + 1600));
      await sleep(seconds / (samples.length / 1600));
    }
  }
  stream.close();
  await heard;
  return events;
}

try {
  const page = await browser.newPage();
  page.on("pageerror", (error) => console.error(String(error)));
  await page.goto(`${url}/static/fastring.js`);
  const pcm = microphone ? "" : readFileSync(wav).subarray(44).toString("base64");
  process.stdout.write(JSON.stringify(await page.evaluate(converse, { url, pcm, microphone, seconds, options })));
} finally {
  await browser.close();
}
