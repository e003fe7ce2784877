import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { nextMessage } from '@capacloud/rig/programs/child-answer';
import type { SeedRun, ShrunkRun, SimAnswer, SimQuestion } from './messages.ts';

const entry = fileURLToPath(new URL('../sim-process.ts', import.meta.url));

/** Simulated processes that crash leave signals behind that Node keeps for ever, some 2 MB a run. */
const runsPerProcess = 200;

/** A process that runs simulations, and another one after some runs: the globals of the thread are replaced there. */
class SimWorker {
  readonly #signal: AbortSignal;
  #child: ChildProcess;
  #runs = 0;

  private constructor(child: ChildProcess, signal: AbortSignal) {
    this.#child = child;
    this.#signal = signal;
  }

  static async start(signal: AbortSignal): Promise<SimWorker> {
    return new SimWorker(await startProcess(signal), signal);
  }

  async ask(question: SimQuestion): Promise<SimAnswer> {
    if (this.#runs === runsPerProcess) {
      this.end();
      this.#child = await startProcess(this.#signal);
      this.#runs = 0;
    }
    this.#runs += 1;
    this.#child.send(question);
    return nextMessage(this.#child, 'a simulating process');
  }

  end(): void {
    this.#child.disconnect();
  }
}

async function startProcess(signal: AbortSignal): Promise<ChildProcess> {
  const child = fork(entry, { execArgv: ['--conditions=@capacloud/source'], signal, stdio: 'inherit' });
  child.on('error', () => {});
  await nextMessage(child, 'a simulating process');
  return child;
}

/** Runs questions on some processes at once; answers come as they are ready. */
export class SimPool {
  readonly #workers: readonly SimWorker[];

  private constructor(workers: readonly SimWorker[]) {
    this.#workers = workers;
  }

  static async start(processes: number, signal: AbortSignal): Promise<SimPool> {
    return new SimPool(await Promise.all(Array.from({ length: processes }, () => SimWorker.start(signal))));
  }

  /** Until the questions are used up or `onRun` gives false. */
  async run(
    questions: Iterator<Extract<SimQuestion, { kind: 'run' }>>,
    onRun: (run: SeedRun) => boolean,
  ): Promise<void> {
    let goesOn = true;
    await Promise.all(
      this.#workers.map(async (worker) => {
        while (goesOn) {
          const { value, done } = questions.next();
          if (done === true) return;
          const answer = await worker.ask(value);
          if (answer.kind === 'ran') goesOn = onRun(answer) && goesOn;
        }
      }),
    );
  }

  async shrink(seed: number, rule: string, budgetMs: number): Promise<ShrunkRun> {
    const [worker] = this.#workers;
    if (worker === undefined) throw new Error('the pool has no process');
    const answer = await worker.ask({ kind: 'shrink', seed, rule, budgetMs });
    if (answer.kind !== 'shrunk') throw new Error('an answer to another question');
    return answer;
  }

  end(): void {
    for (const worker of this.#workers) worker.end();
  }
}
