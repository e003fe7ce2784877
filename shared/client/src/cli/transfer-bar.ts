import type { Context } from './context.ts';
import { barText, LiveRegion, Throttle } from './live-region.ts';
import { sizeText } from './phrases.ts';

/** Progress of bytes: one redrawn line on a terminal, nothing elsewhere. */
export class TransferBar {
  readonly #region: LiveRegion | undefined;
  readonly #throttle: Throttle;
  #line: () => string = () => '';

  constructor({ terminal, json }: Context) {
    this.#region = terminal.isLive && !json ? new LiveRegion(terminal.err) : undefined;
    this.#throttle = new Throttle(() => this.#region?.draw([this.#line()]));
    const { err } = terminal;
    this.#format = (label, done, total) => {
      const share = total === 0 ? 1 : done / total;
      const percent = `${Math.floor(share * 100)}%`.padStart(4);
      return `${label}  ${barText(err, share, 28)} ${percent}  ${err.paint('dim', `${sizeText(done)} of ${sizeText(total)}`)}`;
    };
  }

  readonly #format: (label: string, done: number, total: number) => string;

  update(label: string, doneBytes: number, totalBytes: number): void {
    if (this.#region === undefined) return;
    this.#line = () => this.#format(label, doneBytes, totalBytes);
    this.#throttle.request();
  }

  /** Takes the line away. */
  end(): void {
    this.#throttle.stop();
    this.#region?.clear();
  }
}
