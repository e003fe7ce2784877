import type { Context } from './context.ts';
import type { JobBoard } from './job-board.ts';
import { LiveRegion, Throttle } from './live-region.ts';
import type { Output } from './terminal.ts';

/** `whole`: as it came, of the only task. `lines`: whole lines, each with its task's index before it. */
export type LogStyle = 'none' | 'whole' | 'lines';

/** What is shown of a job that is followed: the live view and words on standard error, logs on standard output. */
export class JobScreen {
  /** Writes go around the live view. */
  readonly context: Context;
  readonly #err: Output;
  #region: LiveRegion | undefined;
  readonly #throttle: Throttle;
  readonly #clock: NodeJS.Timeout;
  /** Whether the cursor of the terminal stands behind output that has not ended its line. */
  #isMidLine = false;

  constructor(context: Context, board: JobBoard, logs: LogStyle) {
    const { out, err } = context.terminal;
    this.#err = err;
    if (context.terminal.isLive && !context.json) this.#region = new LiveRegion(err);
    this.#throttle = new Throttle(() => this.#region?.draw(board.draw(err, Date.now())));
    // The elapsed time moves by itself.
    this.#clock = setInterval(() => this.#throttle.request(), 1000);
    const writeOut = (text: string): void => {
      if (text === '') return;
      this.#makeWay();
      // Nothing can be drawn below output that may stop in the middle of a line, nor beside what the reader of a pipe
      // (`| grep`) writes to the same terminal.
      if (logs === 'whole' || !out.isTty) this.#region = undefined;
      out.write(text);
      this.#isMidLine = err.isTty && !text.endsWith('\n');
      this.#throttle.request();
    };
    const writeErr = (text: string): void => {
      this.#makeWay();
      err.write(this.#isMidLine && !text.startsWith('\n') ? `\n${text}` : text);
      this.#isMidLine = false;
      this.#throttle.request();
    };
    this.context = context.writingTo({ out: writeOut, err: writeErr });
  }

  /** Whether changes show in a live view, so that they need no line of their own. */
  get isLive(): boolean {
    return this.#region !== undefined;
  }

  redraw(): void {
    this.#throttle.request();
  }

  end(): void {
    clearInterval(this.#clock);
    this.#throttle.stop();
    this.#region?.clear();
    this.#region = undefined;
    if (this.#isMidLine) this.#err.write('\n');
    this.#isMidLine = false;
  }

  #makeWay(): void {
    this.#region?.clear();
  }
}
