/** Why an upgrade was refused, which browsers do not tell: a plain request to the same address is answered alike. */

const AGAIN = new Set([408, 425, 429, 500, 502, 503, 504]);
const FINE = 426; // "this is a WebSocket": nothing is wrong with the request any more
const ASKING_MS = 5000;
const LONGEST_WAIT_S = 60;

/**
 * @param {string} address of the WebSocket, `ws` or `wss`
 * @param {string} apiKey
 * @returns {Promise<{status: number, text: string, final: boolean, afterS: number}|null>} null if nobody answers, or if
 *   this page's origin may not read the answer. `final`: another attempt would be refused, too; `afterS`: when to come back
 */
export async function refusalOf(address, apiKey) {
  const headers = apiKey ? { Authorization: `Bearer ${apiKey}` } : {};
  try {
    const answer = await fetch(address.replace(/^ws/, "http"), { headers, signal: AbortSignal.timeout(ASKING_MS) });
    if (answer.status === FINE) return null;
    const body = await answer.json().catch(() => ({}));
    const text = `HTTP ${answer.status}: ${body.error?.message ?? "refused"}`;
    const afterS = Math.min(LONGEST_WAIT_S, Math.max(0, Number(answer.headers.get("Retry-After")) || 0));
    return { status: answer.status, text, final: answer.status >= 400 && !AGAIN.has(answer.status), afterS };
  } catch {
    return null;
  }
}
