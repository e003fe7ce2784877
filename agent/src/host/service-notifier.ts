import { execFile } from 'node:child_process';
import type { Logger } from 'pino';

/**
 * Tells systemd how the service is (sd_notify(3)). Node has no datagram Unix sockets, so systemd's own program
 * sends the message; the unit says NotifyAccess=all for that. Without NOTIFY_SOCKET it does nothing.
 */
export class ServiceNotifier {
  readonly #env: Readonly<Record<string, string | undefined>>;
  readonly #log: Logger;
  #isReady = false;
  #watchdog: NodeJS.Timeout | undefined;

  constructor(env: Readonly<Record<string, string | undefined>>, log: Logger) {
    this.#env = env;
    this.#log = log;
  }

  /** More than once is as good as once. */
  ready(): void {
    if (this.#isReady) return;
    this.#isReady = true;
    this.#tell('READY=1');
    const watchdogUs = Number(this.#env.WATCHDOG_USEC ?? 0);
    if (!(watchdogUs > 0)) return;
    // A blocked event loop tells nothing, and that is what the watchdog is for.
    this.#watchdog = setInterval(() => this.#tell('WATCHDOG=1'), Math.max(1000, watchdogUs / 1000 / 3));
  }

  stopping(): void {
    clearInterval(this.#watchdog);
    this.#tell('STOPPING=1');
  }

  #tell(state: string): void {
    if (this.#env.NOTIFY_SOCKET === undefined) return;
    execFile('systemd-notify', [`--pid=${process.pid}`, state], { timeout: 5000 }, (error) => {
      if (error !== null) this.#log.warn({ err: error, state }, 'the service manager could not be told');
    });
  }
}
