import type Docker from 'dockerode';
import { expect, test } from 'vitest';
import { EngineUnavailable } from '../core/ports.ts';
import { Engine } from './engine.ts';

const { signal } = new AbortController();
const state = { Running: true, StartedAt: '2026-01-01T00:00:00Z', FinishedAt: '0001-01-01T00:00:00Z' };
const container = { Id: 'a', Config: { Labels: {} }, State: state };

/** An engine that gives the same answer to every question. */
function answering(answer: unknown): Engine {
  const tell = () => Promise.resolve(answer);
  return new Engine({
    getContainer: () => ({ inspect: tell }),
    listContainers: tell,
    listImages: tell,
  } as unknown as Docker);
}

test('a container is shown as the engine has it', async () => {
  expect(await answering(container).inspectContainer('a', signal)).toEqual(container);
});

test.each([
  null,
  [],
  'text',
  {},
  { ...container, Id: 1 },
  { ...container, Config: null },
  { ...container, State: null },
  { ...container, State: { ...state, Running: 'yes' } },
  { ...container, State: { ...state, StartedAt: undefined } },
])('%j is no container, so nothing is known of one', async (answer) => {
  await expect(answering(answer).inspectContainer('a', signal)).rejects.toThrow(EngineUnavailable);
});

test.each([null, {}, 'text', 1])('%j is no list', async (answer) => {
  const engine = answering(answer);
  await expect(engine.listContainers({ label: ['x'] }, signal)).rejects.toThrow(EngineUnavailable);
  await expect(engine.imageIds(signal)).rejects.toThrow(EngineUnavailable);
});

test('what is not there is undefined, and every other status is an error', async () => {
  const failing = (statusCode: number) => {
    const inspect = () => Promise.reject(Object.assign(new Error('no'), { statusCode }));
    return new Engine({ getContainer: () => ({ inspect }) } as unknown as Docker);
  };
  expect(await failing(404).inspectContainer('a', signal)).toBeUndefined();
  await expect(failing(500).inspectContainer('a', signal)).rejects.toMatchObject({ statusCode: 500 });
});
