// Pages in headless Chromium, with a recording for a microphone. Says what each page says, as one JSON list.
import { chromium } from "playwright-core";

const { executable, wav, asks } = JSON.parse(process.argv[2]);
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

async function answer(ask) {
  const page = await browser.newPage();
  page.on("console", (message) => console.error(message.text()));
  page.on("pageerror", (error) => console.error(String(error)));
  await page.goto(ask.address);
  if (ask.does !== "click") return page.evaluate((asked) => window.run(asked), ask);
  await page.click(ask.button);
  await page.waitForFunction(
    ([text, wanted]) => document.querySelector(text).textContent.includes(wanted), [ask.text, ask.wanted],
    { timeout: 20_000 },
  );
  return page.textContent(ask.text);
}

try {
  const answers = [];
  for (const ask of asks) answers.push(await answer(ask));
  process.stdout.write(JSON.stringify(answers));
} finally {
  await browser.close();
}
