import { clip, type Output } from './terminal.ts';

/** Lines at the bottom of a terminal that are drawn over again. */
export class LiveRegion {
  readonly #output: Output;
  #height = 0;

  constructor(output: Output) {
    this.#output = output;
  }

  draw(lines: readonly string[]): void {
    // A line that wraps would make the count of lines wrong.
    const shown = lines.map((line) => `${clip(line, this.#output.columns - 1)}\u001b[K\n`).join('');
    this.#output.write(`\u001b[?25l${this.#up()}${shown}\u001b[J`);
    this.#height = lines.length;
  }

  /** Takes the lines away and gives the cursor back. */
  clear(): void {
    if (this.#height > 0) this.#output.write(`${this.#up()}\u001b[J\u001b[?25h`);
    this.#height = 0;
  }

  #up(): string {
    return this.#height === 0 ? '' : `\r\u001b[${this.#height}A`;
  }
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A bar of `width` columns; each part is a share of the whole between 0 and 1. */
export function barText(output: Output, share: number, width: number): string {
  const filled = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const whole = Math.floor(filled / 8);
  const rest = eighths[filled % 8] ?? '';
  const empty = width - whole - (rest === '' ? 0 : 1);
  return `${output.paint('green', '█'.repeat(whole) + rest)}${output.paint('dim', '░'.repeat(empty))}`;
}

/** Draws at most ten times a second. */
export class Throttle {
  readonly #act: () => void;
  #timer: NodeJS.Timeout | undefined;

  constructor(act: () => void) {
    this.#act = act;
  }

  request(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#act();
    }, 100);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
