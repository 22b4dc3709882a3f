/** The browser's microphone as the source of a stream. */

import { StreamError } from "./fastring-error.js";

/**
 * Stream the microphone until `stop` is called. The browser asks its user first; the page must be of https or localhost.
 *
 * @param {import("./fastring-stream.js").VoiceStream} stream whose `sampleRate` is recorded at
 * @param {object} [options]
 * @param {number} [options.blockS] seconds of audio at a time (0.1)
 * @param {MediaTrackConstraints} [options.constraints]
 * @returns {Promise<{stop: () => Promise<void>}>} `stop` sends what is left and lets the microphone go
 * @throws {StreamError} `microphone`: it was not allowed, or there is none. The stream itself stays as it is
 */
export async function microphone(stream, { blockS = 0.1, constraints = {} } = {}) {
  const media = await askForMicrophone({ channelCount: 1, ...constraints });
  const context = new AudioContext({ sampleRate: stream.sampleRate });
  try {
    await context.audioWorklet.addModule(new URL("./fastring-worklet.js", import.meta.url));
  } catch (cause) {
    await letGo(media, context);
    throw new StreamError("microphone", `the recorder cannot be loaded: ${cause.message}`, { cause });
  }
  const recorder = new AudioWorkletNode(context, "fastring-pcm", {
    numberOfOutputs: 0,
    processorOptions: { blockSamples: Math.round(blockS * stream.sampleRate) },
  });
  let flushed = null;
  recorder.port.onmessage = ({ data }) => {
    if (data.length) stream.send(data);
    flushed?.();
  };
  context.createMediaStreamSource(media).connect(recorder);
  return {
    async stop() {
      for (const track of media.getTracks()) track.stop();
      if (context.state === "closed") return;
      await new Promise((resolve) => {
        flushed = resolve;
        recorder.port.postMessage("flush");
      });
      await letGo(media, context);
    },
  };
}

async function askForMicrophone(audio) {
  if (!navigator.mediaDevices) {
    throw new StreamError("microphone", "browsers give the microphone to pages of https and localhost alone");
  }
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (cause) {
    throw new StreamError("microphone", `no microphone: ${cause.name}: ${cause.message}`, { cause });
  }
}

async function letGo(media, context) {
  for (const track of media.getTracks()) track.stop();
  await context.close();
}
