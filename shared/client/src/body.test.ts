import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { readBody } from './body.ts';

it('ends a silent stream when the signal is aborted, also after a garbage collection', async () => {
  const server = createServer((_, response) => void response.writeHead(200).write('first'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const abort = new AbortController();
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const read = async () => {
      const response = await fetch(url, { signal: AbortSignal.any([abort.signal]) });
      for await (const chunk of readBody(response.body, abort.signal)) {
        expect(Buffer.from(chunk).toString()).toBe('first');
        setImmediate(() => {
          collectGarbage();
          abort.abort(new Error('enough'));
        });
      }
    };
    await expect(read()).rejects.toThrow('enough');
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}
