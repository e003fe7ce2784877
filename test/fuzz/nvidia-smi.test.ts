import { readdirSync, readFileSync } from 'node:fs';
import { observeDevices } from '@capacloud/agent/hardware/device-health';
import { readDevices } from '@capacloud/agent/hardware/device-report';
import { parseCapabilities } from '@capacloud/agent/hardware/nvidia';
import { DeviceSchema } from '@capacloud/protocol/capacity/resources-schema';
import { type NvidiaSmiReport, parseNvidiaSmi } from 'nvidia-smi-parser';
import { Value } from 'typebox/value';
import { expect, test } from 'vitest';
import { dice, pick, timesOf } from './fuzz-run.ts';

const tree = new URL('../fixtures/nvidia-smi/', import.meta.url);
const captures = readdirSync(tree)
  .filter((name) => name.endsWith('.xml'))
  // The clocks that a GPU supports are most of a capture and never read: without them the changes hit.
  .map((name) =>
    readFileSync(new URL(name, tree), 'utf8').replace(/<supported_clocks>[^]*?<\/supported_clocks>/g, ''),
  );

type Random = (bound: number) => number;
const bomb = `<!DOCTYPE x [<!ENTITY a "${'lol'.repeat(10)}">${Array.from({ length: 12 }, (_, i) => `<!ENTITY ${'bcdefghijklm'[i]} "${`&${'abcdefghijkl'[i]};`.repeat(10)}">`).join('')}]>`;
const texts = [
  'N/A',
  '[N/A]',
  '[Not Supported]',
  '[GPU is lost]',
  'ERR!',
  '',
  ' ',
  '-1',
  '0',
  '1e400',
  `${'9'.repeat(400)} MiB`,
  '99999999999999999999 W',
  'NaN C',
  '0x1F MiB',
  '１２ MiB',
  '\u202e12 MiB',
  '&m;',
  '&#0;',
  '&#x110000;',
  '&#xD800;',
  '__proto__',
  '<gpu>',
  '<![CDATA[x]]>',
  'x'.repeat(70_000),
];
const tags = ['__proto__', 'constructor', 'toString', 'gpu', 'uuid', 'fb_memory_usage', 'processes', 'x'];

/** Element texts and names, from the text itself. */
function spots(text: string, pattern: RegExp): { at: number; length: number }[] {
  return [...text.matchAll(pattern)].map((match) => ({
    at: match.index + (match[1] ?? '').length,
    length: (match[2] ?? '').length,
  }));
}
function replaceAt(text: string, { at, length }: { at: number; length: number }, by: string): string {
  return text.slice(0, at) + by + text.slice(at + length);
}

function mutate(text: string, random: Random): string {
  const at = random(text.length);
  switch (random(9)) {
    case 0:
      return text.slice(0, at);
    case 1:
      return (
        text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << random(16))) + text.slice(at + 1)
      );
    case 2: {
      const values = spots(text, /(<\w+>)([^<]*)(?=<\/)/g);
      return values.length === 0 ? text : replaceAt(text, pick(random, values), pick(random, texts));
    }
    case 3: {
      const names = spots(text, /(<\/?)(\w+)/g);
      return names.length === 0 ? text : replaceAt(text, pick(random, names), pick(random, tags));
    }
    case 4:
      return text.replaceAll(/(<\w+>)[^<]+(?=<\/)/g, (whole, tag: string) =>
        random(3) === 0 ? `${tag}${pick(random, texts.slice(0, 8))}` : whole,
      );
    case 5:
      return bomb + text;
    case 6: {
      const gpu = /<gpu [^]*?<\/gpu>/.exec(text)?.[0] ?? '';
      return text.replace(gpu, gpu.repeat(random(60)));
    }
    case 7:
      return text.slice(0, at) + '<a>'.repeat(random(3000)) + text.slice(at);
    default:
      return text.slice(0, at) + text.slice(at + random(4000));
  }
}

function expectSound(value: unknown): void {
  if (typeof value === 'number') expect(Number.isFinite(value)).toBe(true);
  if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) expectSound(part);
}

/** What an agent would offer after this report: every device must be one that a coordinator takes. */
function expectOffered(report: NvidiaSmiReport): void {
  const facts = { report, capabilities: new Map<string, string>(), list: [], machineMemoryBytes: 2 ** 36 };
  for (const { device } of observeDevices([], readDevices(facts).devices))
    expect([device, Value.Check(DeviceSchema, device)]).toEqual([device, true]);
}

test('a changed capture gives a report or a code, and devices that can be offered', () => {
  const outcomes = new Map<string, number>();
  for (const [index, capture] of captures.entries()) {
    const random = dice(index + 1);
    for (let round = 0; round < timesOf(120); round++) {
      let text = mutate(capture, random);
      for (let more = random(3); more > 0 && text !== ''; more--) text = mutate(text, random);
      const result = parseNvidiaSmi(text);
      const outcome = result.ok ? 'read' : result.code;
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
      if (!result.ok) continue;
      expectSound(result.value);
      expectOffered(result.value);
    }
  }
  for (const outcome of ['read', 'TRUNCATED_XML', 'MALFORMED_XML'])
    expect(outcomes.get(outcome)).toBeGreaterThan(10);
  expect({}).not.toHaveProperty('polluted');
});

test('a changed list of capabilities is read line by line or passed over', () => {
  const line = `GPU-${'0a1b2c3d'}-1111-2222-3333-444455556666, 8.9`;
  const random = dice(99);
  for (let round = 0; round < timesOf(500); round++) {
    const text = mutate(`${line}\n${line}\nN/A, [N/A]\n`, random);
    for (const [uuid, capability] of parseCapabilities(text)) {
      expect(uuid).toMatch(/^GPU-[0-9a-f-]{36}$/);
      expect(capability).toMatch(/^[0-9]{1,2}\.[0-9]{1,2}$/);
    }
  }
});
