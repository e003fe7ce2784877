import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { BoundedText, requireCommand, runCommand } from './command.ts';
import { type Program, type ProgramFile, thisNode } from './programs.ts';

const never = new AbortController().signal;
const node = (code: string, signal = never) =>
  runCommand(thisNode, ['-e', code], { cwd: '.', output: 'capture' }, signal);

test('both streams and the exit code are captured', async () => {
  const result = await node("console.log('out'); console.error('err'); process.exitCode = 3;");
  expect(result).toMatchObject({ exitCode: 3, output: expect.stringMatching(/out\n/) });
  expect(result.output).toContain('err\n');
});

test('a program that is not there exits 127 with its name', async () => {
  const result = await runCommand(
    'no-such-program' as ProgramFile,
    [],
    { cwd: '.', output: 'capture' },
    never,
  );
  expect(result).toMatchObject({
    exitCode: 127,
    missing: true,
    output: expect.stringContaining('no-such-program'),
  });
});

test('a program that a signal ended exits 128 and the signal', async () => {
  expect(await node("process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 1000);")).toMatchObject({
    exitCode: 137,
  });
});

test('abort sends SIGTERM, and the program may tidy up', async () => {
  const interruption = new AbortController();
  const code =
    "process.on('SIGTERM', () => { console.log('tidy'); process.exit(5); }); console.log('up'); setInterval(() => {}, 1000); process.kill(process.ppid, 'SIGUSR2');";
  process.once('SIGUSR2', () => interruption.abort());
  expect(await node(code, interruption.signal)).toMatchObject({ exitCode: 5, output: 'up\ntidy\n' });
});

test('after abort nothing starts', async () => {
  expect(await node("console.log('up')", AbortSignal.abort())).toMatchObject({ exitCode: 130, output: '' });
});

test('text is bounded: the head and the tail stay', () => {
  const bounded = new BoundedText(10);
  for (let n = 0; n < 1000; n += 1) bounded.append(String(n % 10));
  expect(bounded.toString()).toBe('01234\n… 990 characters left out …\n56789');
});

test('text within the bound is whole', () => {
  const bounded = new BoundedText(10);
  bounded.append('01234567');
  bounded.append('89');
  expect(bounded.toString()).toBe('0123456789');
});

describe('a required command', () => {
  const hint = 'do this instead';
  const nodeOf = (code: string): [Program, ...string[]] => [thisNode, '-e', code];

  test('hands over the output of a program that ends well', async () => {
    let output = '';
    const onStdout = async (stdout: NodeJS.ReadableStream): Promise<void> => {
      output = await text(stdout);
    };
    await requireCommand({ argv: nodeOf('console.log(6 * 7)'), hint, signal: never, onStdout });
    expect(output).toBe('42\n');
  });

  test('says which program is missing, and what to do', async () => {
    await expect(
      requireCommand({ argv: ['no-such-program-here' as ProgramFile], hint, signal: never }),
    ).rejects.toMatchObject({
      code: 'command_missing',
      message: expect.stringMatching(/no-such-program-here is not installed\n {2}hint: do this instead/),
    });
  });

  test('keeps the last words of a program that fails, however much it said', async () => {
    const code = 'console.error("x".repeat(1e6)); console.error("the reason"); process.exitCode = 3';
    const error: unknown = await requireCommand({ argv: nodeOf(code), hint, signal: never }).catch(
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      code: 'command_failed',
      message: expect.stringMatching(/failed with status 3:[^]*the reason/),
    });
    expect((error as Error).message.length).toBeLessThan(6000);
  });

  test('stops the program when it is told to', async () => {
    const stopping = new AbortController();
    const run = requireCommand({
      argv: nodeOf('console.log("up"); setInterval(() => undefined, 1000)'),
      hint,
      signal: stopping.signal,
      onStdout: async (stdout) => {
        for await (const _ of stdout) stopping.abort();
      },
    });
    await expect(run).rejects.toMatchObject({ name: 'AbortError' });
  });

  test('stops the program when its output cannot be read, and says why', async () => {
    const run = requireCommand({
      argv: nodeOf('setInterval(() => console.log("more"), 10)'),
      hint,
      signal: never,
      onStdout: async (stdout) => {
        for await (const _ of stdout) throw new Error('this is no archive');
      },
    });
    await expect(run).rejects.toThrow('this is no archive');
  });

  test('tells of the failed program, not of the output that it left short', async () => {
    const run = requireCommand({
      argv: nodeOf('console.error("no such package"); process.exitCode = 2'),
      hint,
      signal: never,
      onStdout: async (stdout) => {
        if ((await text(stdout)) === '') throw new Error('the archive ends too soon');
      },
    });
    await expect(run).rejects.toThrow(/status 2:\nno such package/);
  });
});
