// The JavaScript client in headless Chromium against servers that refuse, vanish or say nothing.
// Prints, by name, how each of the streams asked for ended: {error: {name, code, status, message}, took_s, kinds}.
import { chromium } from "playwright-core";

const { executable, url, cases, microphone } = JSON.parse(process.argv[2]);
const args = ["--no-sandbox", "--use-fake-device-for-media-stream"]; // a microphone, and nobody who allows it
const browser = await chromium.launch({ executablePath: executable, args });

async function ending({ url, server, options, seconds, act }) {
  const client = await import("/static/fastring.js");
  const began = performance.now();
  const stream = new client.VoiceStream(server ?? url, options);
  const kinds = [];
  const heard = (async () => { for await (const event of stream) kinds.push(event.type); })();
  const sleep = (s) => new Promise((resolve) => setTimeout(resolve, s * 1000));
  const speak = (async () => {
    for (let at = 0; at < seconds && !stream.over; at += 0.1) {
      stream.send(new Int16Array(1600));
      await sleep(0.1);
    }
    if (act === "abort") stream.abort();
    if (act === "close") stream.close();
  })();
  let error = null;
  try {
    await heard;
  } catch (failure) {
    error = { name: failure.name, code: failure.code, status: failure.status, message: failure.message };
  }
  const took_s = (performance.now() - began) / 1000;
  await speak;
  return { error, took_s, kinds };
}

async function deniedMicrophone({ url }) {
  const client = await import("/static/fastring.js");
  const stream = new client.VoiceStream(url);
  try {
    await client.microphone(stream);
    return null;
  } catch (failure) {
    return { name: failure.name, code: failure.code, cause: failure.cause?.name, over: stream.over };
  } finally {
    stream.abort();
  }
}

const complaints = [];
try {
  const context = await browser.newContext({ permissions: [] });
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`${url}/static/fastring.js`);
  const ended = await Promise.all(cases.map((each) => page.evaluate(ending, { url, ...each })));
  const endings = Object.fromEntries(cases.map((each, at) => [each.name, ended[at]]));
  const denied = microphone ? await page.evaluate(deniedMicrophone, { url }) : null;
  process.stdout.write(JSON.stringify({ endings, denied, complaints }));
} finally {
  await browser.close();
}
