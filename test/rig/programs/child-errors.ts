// Read before each test file (vitest.config.ts). A child process that cannot start, and whose error nobody listens to,
// fails the test that started it, by name; thrown where it happens it would end the whole run without one.
import { ChildProcess } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { afterAll, afterEach } from 'vitest';

const unheard: Error[] = [];

function emit(this: ChildProcess, name: string | symbol, ...values: readonly unknown[]): boolean {
  if (name !== 'error' || this.listenerCount('error') > 0)
    return EventEmitter.prototype.emit.call(this, name, ...values);
  const [error] = values;
  unheard.push(error instanceof Error ? error : new Error(String(error)));
  return true;
}
Object.defineProperty(ChildProcess.prototype, 'emit', { value: emit, configurable: true, writable: true });

/** The errors of children since the last call that nobody listened to. */
export const takeUnheardErrors = (): readonly Error[] => unheard.splice(0);

function failWithUnheard(): void {
  const [first, ...others] = takeUnheardErrors();
  if (first === undefined) return;
  throw others.length === 0 ? first : new AggregateError([first, ...others], first.message);
}

afterEach(failWithUnheard);
// For what was started outside of a test.
afterAll(failWithUnheard);
