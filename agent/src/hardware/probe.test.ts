import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Device } from '@capacloud/protocol/capacity/resources';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { cpuProbe } from './cpu.ts';
import { diskProbe } from './disk.ts';
import { memoryProbe } from './memory.ts';
import { nvidiaProbe } from './nvidia.ts';
import { makeOffer } from './offer.ts';
import { type ProbeState, runProbe, watchProbe } from './probe.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'capacloud-probe-'));
});
afterEach(() => rmSync(dir, { recursive: true }));
const never = new AbortController().signal;

test('a probe that hangs and ignores its signal is left at its deadline', async () => {
  const hanging = { name: 'gpu', deadlineMs: 20, everyMs: 1, read: () => new Promise<number>(() => {}) };
  await expect(runProbe(hanging, never)).rejects.toThrow('gpu did not answer in 20 ms');
});

test('a failing probe is repeated until it works, and keeps its last value', async () => {
  const stop = new AbortController();
  const states: ProbeState<number>[] = [];
  let runs = 0;
  const read = async () => {
    runs += 1;
    if (runs === 2) throw new Error('no driver');
    return runs;
  };
  await watchProbe(
    { name: 'x', deadlineMs: 1000, everyMs: 1, read },
    (state) => {
      states.push(state);
      if (states.length === 3) stop.abort();
    },
    stop.signal,
  );
  expect(states).toMatchObject([
    { kind: 'ok', value: 1 },
    { kind: 'failed', error: 'no driver', last: 1 },
    { kind: 'ok', value: 3 },
  ]);
});

test('this machine has a processor, memory and a disk', async () => {
  expect((await runProbe(cpuProbe, never)).threads).toBeGreaterThan(0);
  expect((await runProbe(memoryProbe, never)).totalBytes).toBeGreaterThan(2 ** 20);
  const disk = await runProbe(diskProbe(dir), never);
  expect(disk.freeBytes).toBeGreaterThan(0);
  expect(disk.freeBytes).toBeLessThanOrEqual(disk.totalBytes);
});

function script(text: string): string {
  const file = join(dir, 'nvidia-smi');
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
  return file;
}

test('no driver is no fault, an error of it is', async () => {
  expect(await runProbe(nvidiaProbe(join(dir, 'none')), never)).toBeUndefined();
  expect(await runProbe(nvidiaProbe(script('echo "No devices were found"; exit 6')), never)).toBeUndefined();
  await expect(
    runProbe(
      nvidiaProbe(script('echo "Failed to initialize NVML: Driver/library version mismatch"; exit 18')),
      never,
    ),
  ).rejects.toThrow();
});

test('reads the report and the capabilities', async () => {
  const uuid = 'GPU-11111111-1111-1111-1111-111111111111';
  const command = script(
    `case "$1" in -q) echo '<nvidia_smi_log><gpu id="0"><uuid>${uuid}</uuid></gpu></nvidia_smi_log>';; *) echo '${uuid}, 9.0';; esac`,
  );
  const facts = await runProbe(nvidiaProbe(command), never);
  expect(facts?.report.gpus[0]?.uuid).toBe(uuid);
  expect(facts?.capabilities.get(uuid)).toBe('9.0');
});

test('an nvidia-smi that hangs is killed at the deadline', async () => {
  const probe = { ...nvidiaProbe(script('exec sleep 1000')), deadlineMs: 100 };
  await expect(runProbe(probe, never)).rejects.toThrow('nvidia did not answer');
});

test('an offer is never more than there is', () => {
  const size = { threads: 4, memoryBytes: 1000, diskBytes: 1000, diskFreeBytes: 400, arch: 'amd64' };
  const ask = { cpuHourNano: '1', memoryGibHourNano: '1', diskGibHourNano: '1', deviceHourNano: '1' };
  const terms = {
    cpu: { kind: 'percent', value: 50 },
    memory: { kind: 'amount', value: 5000 },
    disk: { kind: 'percent', value: 50 },
    slots: undefined,
    allowRoot: false,
    shareDevices: false,
    ask,
  } as const;
  const [device] = [{ id: 'GPU-1' } as Device];
  expect(makeOffer(terms, size, [device]).devices).toEqual([device]);
  expect(makeOffer({ ...terms, shareDevices: true }, size, [device]).devices).toEqual([
    { ...device, shareable: true },
  ]);
  const said = { region: 'eu-central', labels: { tier: 'gold' } };
  expect(makeOffer({ ...terms, ...said }, size, [])).toMatchObject(said);
  expect(makeOffer({ ...terms, labels: {} }, size, [])).toEqual({
    cpuMilli: 2000,
    memoryBytes: 1000,
    diskBytes: 200,
    slots: 2,
    devices: [],
    arch: 'amd64',
    allowRoot: false,
    ask,
  });
});
