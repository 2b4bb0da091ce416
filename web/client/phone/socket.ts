// JsSIP's socket over two addresses: the service's gate, and Asterisk's own where the gate cannot be reached.
// The gate comes first at every attempt, so that a page goes back to it by itself.

// Close codes of the gate (web/phone.py).
export const ENDED = 4401;
export const ELSEWHERE = 4409;
// Said by a page that falls silent on purpose: the telephone is taken over by another one.
const LEAVING = 4000;

// How long the gate may take to open.
const PATIENCE = 4000;
// A page that had to go past the gate looks for it again after this, when nobody talks.
const BACK = 60_000;

export class Line {
  // What JsSIP asks of a socket.
  readonly via_transport = "WS";
  readonly url: string;
  readonly sip_uri: string;
  onconnect: () => void = () => undefined;
  ondisconnect: (error: boolean, code?: number, reason?: string) => void = () => undefined;
  ondata: (data: string) => void = () => undefined;

  private socket: WebSocket | undefined;
  private opening = false;
  private timer = 0;
  private attempt = 0;

  // `busy`: whether somebody talks; `closed` is told of every end with its code; `there`: whether the service
  // answers, so that a line that works is not given up for a gate that is still away.
  constructor(
    private readonly gate: string,
    private readonly direct: string,
    private readonly busy: () => boolean,
    private readonly closed: (code: number) => void,
    private readonly there: () => Promise<boolean>,
  ) {
    this.url = gate;
    this.sip_uri = `sip:${new URL(gate).host};transport=ws`;
  }


  isConnected(): boolean {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  isConnecting(): boolean {
    return this.opening;
  }

  connect(): void {
    if (this.isConnected() || this.opening) return;
    this.opening = true;
    this.open(this.gate, this.direct);
  }

  // Fall silent at once: nothing more is sent, nobody is told that the call is over.
  leave(): void {
    this.disconnect(LEAVING);
  }

  disconnect(code?: number): void {
    this.attempt++;
    clearTimeout(this.timer);
    this.opening = false;
    const socket = this.socket;
    this.socket = undefined;
    if (code === undefined) socket?.close();
    else socket?.close(code);
  }

  send(message: string): boolean {
    if (!this.isConnected()) return false;
    this.socket?.send(message);
    return true;
  }

  private open(url: string, otherwise: string): void {
    const attempt = ++this.attempt;
    let opened = false;
    let socket: WebSocket;
    try {
      socket = new WebSocket(url, "sip");
    } catch (error) {
      // Not an address at all: as good as one that does not answer.
      console.warn("telephone address", url, error);
      this.socket = undefined;
      this.opening = false;
      setTimeout(() => { if (attempt === this.attempt) this.ondisconnect(true); });
      return;
    }
    this.socket = socket;
    const current = (): boolean => attempt === this.attempt;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => { if (current() && !opened) socket.close(); }, PATIENCE);
    socket.onopen = () => {
      if (!current()) return;
      opened = true;
      this.opening = false;
      clearTimeout(this.timer);
      if (url !== this.gate) this.returnLater(attempt);
      this.onconnect();
    };
    socket.onmessage = (event: MessageEvent<string>) => { if (current()) this.ondata(event.data); };
    socket.onclose = (event) => {
      if (!current()) return;
      clearTimeout(this.timer);
      if (!opened && otherwise) {
        this.open(otherwise, "");
        return;
      }
      this.opening = false;
      this.socket = undefined;
      this.closed(event.code);
      this.ondisconnect(!event.wasClean, event.code, event.reason);
    };
  }

  private returnLater(attempt: number): void {
    this.timer = window.setTimeout(() => {
      if (attempt !== this.attempt) return;
      if (this.busy()) this.returnLater(attempt);
      else void this.there().then((there) => {
        if (attempt !== this.attempt) return;
        if (there && !this.busy()) this.socket?.close();
        else this.returnLater(attempt);
      });
    }, BACK);
  }
}
