import { readFileSync } from 'node:fs';
import { type NvidiaSmiGpu, parseNvidiaSmi, parseNvidiaSmiList } from 'nvidia-smi-parser';
import { describe, expect, it } from 'vitest';
import { readDevices } from './device-report.ts';
import { fabricFault, judgeGpu } from './gpu-verdict.ts';
import type { NvidiaFacts } from './nvidia.ts';

const machineMemoryBytes = 120 * 2 ** 30;

function capture(name: string): string {
  return readFileSync(new URL(`../../../test/fixtures/nvidia-smi/${name}.xml`, import.meta.url), 'utf8');
}
function factsOf(xml: string, list = ''): NvidiaFacts {
  const result = parseNvidiaSmi(xml);
  if (!result.ok) throw new Error(result.message);
  return {
    report: result.value,
    capabilities: new Map(),
    list: parseNvidiaSmiList(list),
    machineMemoryBytes,
  };
}
const read = (name: string, list = '') => readDevices(factsOf(capture(name), list));
/** A capture with one reading replaced by another text. */
function spoiled(name: string, tag: string, text: string): NvidiaSmiGpu {
  const xml = capture(name).replace(new RegExp(`<${tag}>[^<]*</${tag}>`), `<${tag}>${text}</${tag}>`);
  return factsOf(xml).report.gpus[0] ?? expect.fail('no GPU');
}

describe('slices', () => {
  const gpu = 'GPU-513536b6-7d19-9063-b049-1e69664bb298';
  const slices = (uuidOf: (index: number) => string, count: number) =>
    [
      `GPU 0: NVIDIA A100-SXM4-80GB (UUID: ${gpu})`,
      ...Array.from(
        { length: count },
        (_, index) => `  MIG 1g.20gb  Device ${index}: (UUID: ${uuidOf(index)})`,
      ),
    ].join('\n');
  const count = factsOf(capture('a100-sxm4-v12')).report.gpus[0]?.mig.devices.length ?? 0;

  it.each([
    ['before driver 470', (index: number) => `MIG-${gpu}/${index + 3}/0`],
    ['since', (index: number) => `MIG-c7384736-a75d-5afc-978f-d2f12944${index}9fd`],
  ])('have the UUIDs of the list, in the spelling %s', (_, uuidOf) => {
    const { devices, leftOut } = read('a100-sxm4-v12', slices(uuidOf, count));
    expect(devices.map(({ device }) => device.id)).toEqual(
      Array.from({ length: count }, (__, i) => uuidOf(i)),
    );
    expect(devices[0]?.device).toMatchObject({
      model: 'a100-sxm4-80gb-mig-1g-20gb',
      memoryBytes: 19_968 * 2 ** 20,
    });
    expect(leftOut).toEqual([]);
  });

  it('without a UUID are left out, and that is said', () => {
    const { devices, leftOut } = read(
      'a100-sxm4-v12',
      slices((index) => `MIG-${index}`, 1),
    );
    expect(devices).toHaveLength(1);
    expect(leftOut).toHaveLength(count - 1);
    expect(leftOut[0]).toEqual({
      what: 'MIG slice 1 of GPU 1 (NVIDIA A100-SXM4-80GB)',
      why: 'The driver gives no UUID for it, so no container could be given it.',
    });
  });

  it('that are missing where MIG is on leave the GPU out', () => {
    const xml = capture('a100-sxm4-v12').replace(/<mig_device>[\s\S]*<\/mig_device>/, 'None');
    const { devices, leftOut } = readDevices(factsOf(xml));
    expect(devices).toEqual([]);
    expect(leftOut[0]?.why).toContain('has no slice');
  });
});

it('leaves out what an offer has no room for', () => {
  const one = (n: number) =>
    `<gpu id="${n}"><product_name>NVIDIA T4</product_name><uuid>GPU-${n}</uuid><minor_number>${n}</minor_number></gpu>`;
  const xml = `<?xml version="1.0" ?><nvidia_smi_log>${Array.from({ length: 66 }, (_, n) => one(n)).join('')}</nvidia_smi_log>`;
  const { devices, leftOut } = readDevices(factsOf(xml));
  expect(devices).toHaveLength(64);
  expect(leftOut.map(({ what }) => what)).toEqual(['GPU 64 (NVIDIA T4)', 'GPU 65 (NVIDIA T4)']);
});

describe('health by what work needs', () => {
  it.each(['derived-p5000-fan', 'derived-4070-laptop-power', 'derived-4090-laptop', 'derived-gb10'])(
    'of %s is good',
    (name) => {
      const { devices, leftOut } = read(name);
      expect(devices.map(({ verdict }) => verdict)).toEqual([{ severity: 'good' }]);
      expect(leftOut).toEqual([]);
    },
  );

  it.each([
    'fan_speed',
    'gpu_temp',
    'graphics_clock',
    'instant_power_draw',
    'gpu_util',
    'tx_util',
    'vbios_version',
  ])('goes on without %s', (tag) => {
    for (const text of ['Unknown Error', 'ERR!', '[Unknown Error]', 'Query timed out'])
      expect(judgeGpu(spoiled('rtx-3080-v13', tag, text))).toEqual({ severity: 'good' });
  });

  it.each(['fan_speed', 'gpu_temp', 'instant_power_draw'])(
    'ends when %s says that the GPU is gone',
    (tag) => {
      for (const text of ['GPU is lost', 'GPU requires reset', 'GPU is inaccessible'])
        expect(judgeGpu(spoiled('rtx-3080-v13', tag, text)).severity).toBe('fatal');
    },
  );

  it('needs the memory and what is counted of its errors', () => {
    expect(judgeGpu(spoiled('rtx-3080-v13', 'total', 'Unknown Error')).severity).toBe('bad');
    expect(judgeGpu(spoiled('rtx-3080-v13', 'total', 'N/A'))).toMatchObject({
      severity: 'bad',
      reason: 'The size of its memory is not known.',
    });
    expect(judgeGpu(spoiled('a100-sxm4-v12', 'sram_uncorrectable', 'Unknown Error')).severity).not.toBe(
      'good',
    );
  });

  it('is fatal for a GPU that is lost', () => {
    const { devices } = read('nv-qx-gb200-lost');
    expect(devices.map(({ verdict }) => verdict.severity)).toContain('fatal');
  });
});

it('offers a GPU on the chip of the processor with the memory of the machine', () => {
  expect(read('derived-gb10').devices[0]?.device).toMatchObject({
    model: 'gb10',
    memoryBytes: machineMemoryBytes,
  });
});

it('says of a GPU whose NVLink is degraded that it is, and offers it all the same', () => {
  const { devices } = read('nv-qx-gb200-fabric-degraded');
  expect(devices.map(({ device, verdict }) => [device.fabric, verdict.severity])).toEqual([
    [undefined, 'good'],
    ['degraded', 'good'],
  ]);
  const peers = spoiled('nv-qx-gb200-fabric-degraded', 'gpu_recovery_action', 'Drain P2P');
  expect(judgeGpu(peers)).toEqual({ severity: 'good' });
});

it.each([
  'power_smoothing',
  'edpp_multiplier',
  'gsp_firmware_version',
  'minor_number',
  'row_remapper_histogram_max',
  'product_brand',
])('takes a GPU whose %s does not read, as no work needs it', (tag) => {
  expect(judgeGpu(spoiled('rtx-4000-sff-ada-v13', tag, 'Unknown Error'))).toEqual({ severity: 'good' });
});

it.each(['total', 'compute_mode', 'remapped_row_failure', 'sram_uncorrectable_parity'])(
  'takes no GPU whose %s does not read',
  (tag) => {
    expect(judgeGpu(spoiled('rtx-4000-sff-ada-v13', tag, '[Unknown Error]')).severity).not.toBe('good');
  },
);

it.each([
  ['<state>Completed</state><status>Unknown Error</status>', 'fabric.status reads Unknown Error'],
  ['<state>Completed</state><status>Success</status><health>Degraded</health>', 'its fabric is Degraded'],
  ['<state>In Progress</state><status>N/A</status>', 'its fabric is In Progress'],
  [
    '<state>Completed</state><health><incorrect_configuration>Incorrect SysGUID</incorrect_configuration></health>',
    'not set up right: Incorrect SysGUID',
  ],
  [
    '<state>Completed</state><health><incorrect_configuration>None</incorrect_configuration></health>',
    undefined,
  ],
  ['<state>N/A</state><status>N/A</status><cliqueId>N/A</cliqueId>', undefined],
])('reads a fabric of %s', (fabric, fault) => {
  const xml = capture('nv-qx-gb200-fabric-degraded').replace(
    /<fabric>[\s\S]*?<\/fabric>/,
    `<fabric>${fabric}</fabric>`,
  );
  const [gpu] = factsOf(xml).report.gpus;
  if (gpu === undefined) throw new Error('no GPU');
  if (fault === undefined) expect(fabricFault(gpu)).toBeUndefined();
  else expect(fabricFault(gpu)).toContain(fault);
});

it('offers a GPU once that the driver lists twice, and says so', () => {
  const facts = factsOf(capture('tesla-t4'));
  const [gpu] = facts.report.gpus;
  if (gpu === undefined) expect.fail('no GPU');
  const twice = { ...facts, report: { ...facts.report, gpus: [gpu, gpu] } };
  const { devices, leftOut } = readDevices(twice);
  expect(devices.map(({ device }) => device.id)).toEqual([gpu.uuid]);
  expect(leftOut).toMatchObject([{ why: expect.stringContaining(`lists ${gpu.uuid} twice`) as string }]);
});
