import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const main = fileURLToPath(new URL('../cli/main.ts', import.meta.url));
/** A key that looks like one. */
export const key = `cck_${'a'.repeat(40)}`;

export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export interface Setting {
  readonly url: string;
  readonly home: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly stdin?: string;
  /** Sent SIGINT once this appears on stderr or stdout. */
  readonly interruptAt?: string;
  /** Streams whose reader goes away before anything is written. */
  readonly unread?: readonly ('stdout' | 'stderr')[];
  /** A file for standard output. */
  readonly stdoutFd?: number;
}

/** Runs the command line from its sources, as a process of its own. */
export function runCommandLine(args: readonly string[], setting: Setting): Promise<Ended> {
  const { env, stdin = '', interruptAt, unread = [], stdoutFd } = setting;
  const child = spawn(process.execPath, ['--conditions=@capacloud/source', main, ...args], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE,
      HOME: setting.home,
      CAPACLOUD_URL: setting.url,
      CAPACLOUD_API_KEY: key,
      ...env,
    },
    stdio: ['pipe', stdoutFd ?? 'pipe', 'pipe'],
  });
  const streams = { stdout: child.stdout, stderr: child.stderr };
  for (const name of unread) streams[name]?.destroy();
  child.stdin?.end(stdin);
  const texts = { out: '', err: '' };
  let interrupted = false;
  const take = (which: 'out' | 'err') => (chunk: Buffer) => {
    texts[which] += chunk.toString();
    if (interrupted || interruptAt === undefined || !texts[which].includes(interruptAt)) return;
    // Once: a second one may reach the process when it has put its handlers away already.
    interrupted = child.kill('SIGINT');
  };
  child.stdout?.on('data', take('out'));
  child.stderr?.on('data', take('err'));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, ...texts })));
}
