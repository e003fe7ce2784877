import { expect, test } from 'vitest';
import { parseNvidiaSmiList } from './index.ts';

const gpu = 'GPU-513536b6-7d19-9063-b049-1e69664bb298';
const other = 'GPU-00000000-0000-0000-0000-000000000002';

// The lines are those of NVIDIA's MIG User Guide, "Device Enumeration".
test('lists slices below their GPUs, in the spelling of drivers before 470 and since', () => {
  const text = [
    `GPU 0: A100-SXM4-40GB (UUID: ${gpu})`,
    `  MIG 3g.20gb     Device  0: (UUID: MIG-${gpu}/1/0)`,
    `  MIG 1g.5gb Device 1: (UUID: MIG-${gpu}/7/0)`,
    `GPU 1: NVIDIA A100-SXM4-80GB (UUID: ${other})\r`,
    '  MIG 1c.3g.40gb  Device  0: (UUID: MIG-c7384736-a75d-5afc-978f-d2f1294409fd)',
    '  MIG 1g.10gb+me  Device  1: (UUID: MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d)',
    '',
  ].join('\n');
  expect(parseNvidiaSmiList(text)).toEqual([
    {
      index: 0,
      name: 'A100-SXM4-40GB',
      uuid: gpu,
      slices: [
        { index: 0, profile: '3g.20gb', uuid: `MIG-${gpu}/1/0` },
        { index: 1, profile: '1g.5gb', uuid: `MIG-${gpu}/7/0` },
      ],
    },
    {
      index: 1,
      name: 'NVIDIA A100-SXM4-80GB',
      uuid: other,
      slices: [
        { index: 0, profile: '1c.3g.40gb', uuid: 'MIG-c7384736-a75d-5afc-978f-d2f1294409fd' },
        { index: 1, profile: '1g.10gb+me', uuid: 'MIG-a28ad590-3fda-56dd-84fc-0a0b96edc58d' },
      ],
    },
  ]);
});

test('passes over what is no line of the list, and is bounded', () => {
  expect(parseNvidiaSmiList('')).toEqual([]);
  expect(parseNvidiaSmiList('No devices were found')).toEqual([]);
  expect(parseNvidiaSmiList('  MIG 1g.5gb Device 0: (UUID: MIG-1)')).toEqual([]);
  const many = `GPU 0: x (UUID: ${gpu})\n${'MIG 1g.5gb Device 0: (UUID: MIG-1)\n'.repeat(1000)}`;
  expect(parseNvidiaSmiList(many)[0]?.slices).toHaveLength(64);
  expect(parseNvidiaSmiList(`GPU 0: x (UUID: ${gpu})\n`.repeat(1000))).toHaveLength(256);
  expect(parseNvidiaSmiList(`GPU 0: ${'x'.repeat(5000)} (UUID: ${gpu})`)).toEqual([]);
});
