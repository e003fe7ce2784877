import { describe, expect, it } from 'vitest';
import { PullMeter, readPullLines } from './pull-progress.ts';

async function* chunks(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

describe('pull messages', () => {
  it('are read across chunks; what is none is passed over', async () => {
    const lines = [];
    for await (const line of readPullLines(
      chunks('{"id":"a","sta', 'tus":"Downloading"}\nnonsense\n[1]\n', '{"error":"no"}'),
    ))
      lines.push(line);
    expect(lines).toEqual([{ id: 'a', status: 'Downloading' }, { error: 'no' }]);
  });

  it('drop a line that never ends', async () => {
    const lines = [];
    for await (const line of readPullLines(
      chunks(...Array.from({ length: 40 }, () => 'x'.repeat(10_000)), '\n{"id":"a"}\n'),
    ))
      lines.push(line);
    expect(lines).toEqual([{ id: 'a' }]);
  });

  it('add up', () => {
    const meter = new PullMeter();
    expect(meter.take({ id: 'a', status: 'Pulling fs layer' })).toBe(false);
    expect(meter.take({ id: 'a', status: 'Downloading', progressDetail: { current: 5, total: 10 } })).toBe(
      true,
    );
    meter.take({ id: 'b', status: 'Downloading', progressDetail: { current: 1, total: 2 } });
    expect(meter.progress()).toEqual({ doneBytes: 6, totalBytes: 12 });
    expect(meter.take({ id: 'a', status: 'Download complete' })).toBe(true);
    expect(meter.packedBytes).toBe(11);
    expect(meter.take({ id: 'a', status: 'Pull complete' })).toBe(true);
    expect(meter.packedBytes).toBe(1);
    expect(meter.progress()).toEqual({ doneBytes: 11, totalBytes: 12 });
    for (let layer = 0; layer < 5000; layer++)
      meter.take({ id: `l${layer}`, status: 'Downloading', progressDetail: { current: 1, total: 1 } });
    expect(meter.progress().totalBytes).toBe(12 + 1022);
  });
});
