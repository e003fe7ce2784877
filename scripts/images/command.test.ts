import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { runCommand } from './command.ts';

const signal = new AbortController().signal;
const hint = 'do this instead';

test('hands over the output of a program that ends well', async () => {
  let output = '';
  const onStdout = async (stdout: NodeJS.ReadableStream): Promise<void> => {
    output = await text(stdout);
  };
  await runCommand({ argv: [process.execPath, '-p', '6 * 7'], hint, signal, onStdout });
  expect(output).toBe('42\n');
});

test('says which program is missing, and what to do', async () => {
  const run = runCommand({ argv: ['no-such-program-here'], hint, signal });
  await expect(run).rejects.toMatchObject({
    code: 'command_missing',
    message: expect.stringMatching(/no-such-program-here is not installed\n {2}hint: do this instead/),
  });
});

test('keeps the last words of a program that fails, however much it said', async () => {
  const script = 'console.error("x".repeat(1e6)); console.error("the reason"); process.exitCode = 3';
  const error: unknown = await runCommand({ argv: [process.execPath, '-e', script], hint, signal }).catch(
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
  const run = runCommand({
    argv: [process.execPath, '-e', 'console.log("up"); setInterval(() => undefined, 1000)'],
    hint,
    signal: stopping.signal,
    onStdout: async (stdout) => {
      for await (const _ of stdout) stopping.abort();
    },
  });
  await expect(run).rejects.toMatchObject({ name: 'AbortError' });
});
