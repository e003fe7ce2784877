import { describe, expect, it } from 'vitest';
import { readLoadLines } from './load-lines.ts';

async function* chunks(...texts: string[]) {
  for (const text of texts) yield Buffer.from(text);
}

describe('messages of a load', () => {
  it('are read across chunks; what is none is passed over', async () => {
    const lines = [];
    for await (const line of readLoadLines(
      chunks('{"stream":"Loa', 'ded"}\nnonsense\n[1]\n', '{"error":"no"}'),
    ))
      lines.push(line);
    expect(lines).toEqual([{ stream: 'Loaded' }, { error: 'no' }]);
  });

  it('drop a line that never ends', async () => {
    const lines = [];
    for await (const line of readLoadLines(
      chunks(...Array.from({ length: 40 }, () => 'x'.repeat(10_000)), '\n{"error":"a"}\n'),
    ))
      lines.push(line);
    expect(lines).toEqual([{ error: 'a' }]);
  });
});
