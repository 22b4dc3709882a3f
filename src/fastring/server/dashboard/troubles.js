// Errors in words: what happened, and what to do next.

const MICROPHONE = {
  NotAllowedError: [
    "The microphone is not allowed",
    "Allow it for this page, by the sign beside the address, then start again. A recording or a sample needs none.",
  ],
  NotFoundError: ["No microphone was found", "Plug one in, then start again. A recording or a sample needs none."],
  NotReadableError: ["The microphone is in use", "Another program holds it: close that one, then start again."],
  InsecureContext: [
    "The browser keeps the microphone from this address",
    "It opens it on https and on localhost alone: use http://localhost on this machine, or server.tls_certificate.",
  ],
};

export const STOPPED = ["The server ended the stream", "Somebody stopped it there. Start again to go on."];

const KEPT = "What is said meanwhile is kept, up to a minute.";

export const DEAF = ["Nothing comes from the microphone", "Is it still plugged in? Stop, then start it again."];

/** @returns {[title: string, advice: string]} why the microphone cannot be had; the browser's error is the cause */
export function ofMicrophone(error) {
  const known = MICROPHONE[error.cause?.name] ?? MICROPHONE[error.name];
  return known ?? ["The microphone cannot be used", String(error.message || error)];
}

export function ofFile(name) {
  return [
    `The browser cannot read ${name}`,
    "WAV, MP3, M4A, Ogg, WebM and FLAC work in most. For others, fastring transcribe FILE on the command line.",
  ];
}

export function ofSize(name) {
  return [`${name} is too large`, "200 MB at most. Cut it, or use fastring transcribe FILE on the command line."];
}

/** Why there is no connection, from what the server answers over HTTP. */
export function ofConnection(status, health) {
  if (status === 401) return ["The server refuses the key", "Enter one of its keys."];
  if (status === 403) {
    return ["The server refuses this address", "Open the one it printed, or add it to security.allowed_origins."];
  }
  if (status === 429) return ["The server was asked too often", "Wait a little: it lets this address in again."];
  if (status === 404) return ["This server takes no streams here", "Add native to server.protocols, then start anew."];
  if (status === 0) return ["The server is not reachable", `${KEPT} If it was stopped, start it again.`];
  if (health?.status === "draining") return ["The server is going down", "This page goes on as soon as it is back."];
  if (health && health.streams >= health.max_streams) {
    const most = `It has all of its ${health.max_streams} streams (server.max_streams).`;
    return ["The server is full", `${most} This page keeps trying.`];
  }
  return ["The connection was lost", `This page is getting it back. ${KEPT}`];
}

/** A `status` of the native protocol; null: nothing to say. */
export function ofStatus({ state, dropped_frames: dropped, engine, reason }) {
  switch (state) {
    case "server_busy":
      return ["The server is busy", "Words come late, and some may be left out. It gets better when others stop."];
    case "backpressure":
      return ["The server cannot keep up", `${dropped ?? 0} pieces of sound were dropped. Speak on: it catches up.`];
    case "fallback":
      return [`Another engine stands in: ${engine ?? "unknown"}`, reason ?? ""];
    default:
      return null;
  }
}

export function ofFailure(error) {
  if (error.status === 401) return ofConnection(401);
  return ["The stream has ended", `${error.message}. Start it again; if that fails, see the server's log.`];
}
