import { expect, test } from 'vitest';
import { BoundedText, runCommand } from './check-command.ts';

const never = new AbortController().signal;
const node = (code: string, signal = never) =>
  runCommand(process.execPath, ['-e', code], { cwd: '.', output: 'capture' }, signal);

test('both streams and the exit code are captured', async () => {
  const result = await node("console.log('out'); console.error('err'); process.exitCode = 3;");
  expect(result).toMatchObject({ exitCode: 3, output: expect.stringMatching(/out\n/) });
  expect(result.output).toContain('err\n');
});

test('a program that is not there exits 127 with its name', async () => {
  const result = await runCommand('no-such-program', [], { cwd: '.', output: 'capture' }, never);
  expect(result).toMatchObject({ exitCode: 127, output: expect.stringContaining('no-such-program') });
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
  const text = new BoundedText(10);
  for (let n = 0; n < 1000; n += 1) text.append(String(n % 10));
  expect(text.toString()).toBe('01234\n… 990 characters left out …\n56789');
});

test('text within the bound is whole', () => {
  const text = new BoundedText(10);
  text.append('01234567');
  text.append('89');
  expect(text.toString()).toBe('0123456789');
});
