/** What a stream fails with. */

export class StreamError extends Error {
  /**
   * @param {"refused"|"closed"|"gave_up"|"aborted"|"microphone"} code for programs: the server will not have this stream
   *   (`status` has the HTTP status); it ended it for good (`status` has the close code); nobody answered for
   *   `giveUpS`; `abort` was called; there is no microphone, or it was not allowed (`cause` has the browser's error)
   * @param {string} message for people
   * @param {{status?: number, cause?: unknown}} [details]
   */
  constructor(code, message, { status = 0, cause } = {}) {
    super(message, { cause });
    this.name = "StreamError";
    this.code = code;
    this.status = status;
  }
}
