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
  let source, recorder;
  try {
    source = sourceOf(media, stream.sampleRate);
    recorder = await recorderIn(source.context, { sampleRate: stream.sampleRate, blockS });
  } catch (cause) {
    await letGo(media, source?.context);
    throw new StreamError("microphone", `the recorder cannot be started: ${cause.message}`, { cause });
  }
  const ended = new Promise((resolve) => {
    recorder.port.onmessage = ({ data }) => {
      if (data === null) resolve();
      else if (data.length) stream.send(data);
    };
  });
  source.connect(recorder);
  const finish = async () => {
    for (const track of media.getTracks()) track.stop();
    recorder.port.postMessage("finish");
    await ended;
    await letGo(media, source.context);
  };
  let stopped = null;
  return { stop: () => (stopped ??= finish()) };
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

/** The microphone at the wanted rate, or at the device's in browsers that cannot change it: Firefox. */
function sourceOf(media, sampleRate) {
  try {
    return sourceIn(new AudioContext({ sampleRate }), media);
  } catch (cause) {
    if (cause.name !== "NotSupportedError") throw cause;
    return sourceIn(new AudioContext(), media);
  }
}

function sourceIn(context, media) {
  try {
    return context.createMediaStreamSource(media);
  } catch (cause) {
    context.close();
    throw cause;
  }
}

async function recorderIn(context, { sampleRate, blockS }) {
  await context.audioWorklet.addModule(new URL("./fastring-worklet.js", import.meta.url));
  return new AudioWorkletNode(context, "fastring-pcm", {
    numberOfOutputs: 0,
    processorOptions: { sampleRate, blockSamples: Math.round(blockS * sampleRate) },
  });
}

async function letGo(media, context) {
  for (const track of media.getTracks()) track.stop();
  await context?.close();
}
