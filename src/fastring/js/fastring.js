/**
 * A client of a fastring server for browsers: live speech that survives its connections. No build step:
 *
 *     import { VoiceStream, microphone } from "http://127.0.0.1:8000/static/fastring.js";
 *     const stream = new VoiceStream("http://127.0.0.1:8000", { sampleRate: 16000 });
 *     const mic = await microphone(stream);
 *     for await (const event of stream) if (event.type === "final") console.log(event.text);
 */

export { Conversation } from "./fastring-conversation.js";
export { StreamError } from "./fastring-error.js";
export { microphone } from "./fastring-microphone.js";
export { VoiceStream } from "./fastring-stream.js";
