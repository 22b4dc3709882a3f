// The recorder of the microphone without a browser: the worklet's file, in a stub of the audio thread.
// Takes {rate, to, blockSamples, samples, tones: [{hz, level}], cuts}; prints {pcm in base64, blocks: their lengths}.
import { pathToFileURL } from "node:url";

const { file, cases } = JSON.parse(process.argv[2]);
let Recorder;
globalThis.registerProcessor = (_, made) => { Recorder = made; };
globalThis.AudioWorkletProcessor = class {
  constructor() {
    this.said = [];
    this.port = { postMessage: (data) => this.said.push(data) };
  }
};
await import(pathToFileURL(file).href);

const signal = ({ rate, samples, tones }) => Float32Array.from({ length: samples }, (_, index) =>
  tones.reduce((sum, { hz, level }) => sum + level * Math.sin((2 * Math.PI * hz * index) / rate), 0));

function record({ rate, to, blockSamples, cuts, ...sound }) {
  globalThis.sampleRate = rate;
  const recorder = new Recorder({ processorOptions: { sampleRate: to, blockSamples } });
  const all = signal({ rate, ...sound });
  const going = [recorder.process([[]])]; // nothing is connected yet
  for (let at = 0, turn = 0; at < all.length; turn++) {
    const end = at + cuts[turn % cuts.length];
    going.push(recorder.process([[all.subarray(at, end)]]));
    at = end;
  }
  recorder.port.onmessage();
  const after = recorder.process([[all]]);
  const ended = recorder.said.pop();
  const pcm = Buffer.concat(recorder.said.map((block) => Buffer.from(block.buffer)));
  return {
    pcm: pcm.toString("base64"),
    blocks: recorder.said.map((block) => block.length),
    states: [going.every(Boolean), after, ended],
  };
}

process.stdout.write(JSON.stringify(cases.map(record)));
