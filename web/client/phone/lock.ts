// One page of a person holds the telephone (Web Locks); the others wait for it and may take it over.

export class Holder {
  private readonly channel: BroadcastChannel;
  private release: (() => void) | undefined;
  private asking: AbortController | undefined;
  private ended = false;

  constructor(
    private readonly name: string,
    private readonly page: string,
    private readonly held: () => void,
    private readonly lost: () => void,
  ) {
    this.channel = new BroadcastChannel(name);
    this.channel.onmessage = (event: MessageEvent<{ take: string }>) => {
      if (event.data.take !== this.page && this.release) this.giveUp();
    };
  }

  // Take the lock if nobody has it; else say so, and take it when it becomes free.
  begin(): void {
    void navigator.locks.request(this.name, { ifAvailable: true }, async (lock) => {
      if (this.ended) return;
      if (lock) await this.keep();
      else {
        this.lost();
        this.wait();
      }
    }).catch(() => this.onStolen());
  }

  // The person wants the telephone here. The page that has it is asked; one that does not answer loses it anyway.
  takeOver(): void {
    if (this.release) return;
    this.channel.postMessage({ take: this.page });
    setTimeout(() => {
      if (this.release || this.ended) return;
      this.asking?.abort();
      void navigator.locks.request(this.name, { steal: true }, () => this.keep()).catch(() => this.onStolen());
    }, 2000);
  }

  end(): void {
    this.ended = true;
    this.asking?.abort();
    this.channel.close();
    this.release?.();
    this.release = undefined;
  }

  // Somebody else of the same person registered elsewhere: another browser, another machine.
  giveUp(): void {
    const release = this.release;
    this.release = undefined;
    this.lost();
    release?.();
    this.wait();
  }

  private wait(): void {
    if (this.ended) return;
    const asking = new AbortController();
    this.asking = asking;
    // A page that was just told to let go must not be the next in line: it waits a moment.
    setTimeout(() => {
      if (this.ended || asking.signal.aborted || this.release) return;
      void navigator.locks.request(this.name, { signal: asking.signal }, () => this.keep()).catch(() => this.onStolen());
    }, 300);
  }

  private keep(): Promise<void> {
    if (this.ended) return Promise.resolve();
    return new Promise((resolve) => {
      this.release = resolve;
      this.held();
    });
  }

  private onStolen(): void {
    if (!this.release || this.ended) return;
    this.release = undefined;
    this.lost();
    this.wait();
  }
}
