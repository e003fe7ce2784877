import { expect, it } from 'vitest';
import { normaliseModel } from '../capacity/resources.ts';
import { deviceClasses, deviceClassOf } from './device-classes.ts';

it('gives each name to one class, spelt as names are once normalised', () => {
  const names = deviceClasses.flatMap(({ id, aliases }) => [id, ...aliases]);
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
  const models = deviceClasses.flatMap((each) => each.models);
  expect([...names, ...models].filter((name) => normaliseModel(name) !== name)).toEqual([]);
  // As many as one request may name.
  expect(Math.max(...deviceClasses.map((each) => each.models.length))).toBeLessThanOrEqual(16);
});

it.each([
  ['4090', 'NVIDIA GeForce RTX 4090'],
  ['RTX4090', 'NVIDIA GeForce RTX 4090'],
  ['3090Ti', 'NVIDIA GeForce RTX 3090 Ti'],
  ['A100-80GB', 'NVIDIA A100-SXM4-80GB'],
  ['A100-80GB', 'NVIDIA A100 80GB PCIe'],
  ['a100-40gb', 'NVIDIA A100-PCIE-40GB'],
  ['h100-sxm5-80gb', 'NVIDIA H100 80GB HBM3'],
  ['H100-80GB', 'NVIDIA H100 PCIe'],
  ['T4', 'Tesla T4'],
  ['v100-32gb', 'Tesla V100-SXM2-32GB'],
  ['A6000', 'NVIDIA RTX A6000'],
  ['6000-ada', 'NVIDIA RTX 6000 Ada Generation'],
  ['pro-6000', 'NVIDIA RTX PRO 6000 Blackwell Workstation Edition'],
  ['MI300X', 'AMD Instinct MI300X'],
  ['7900xtx', 'AMD Radeon RX 7900 XTX'],
])('takes for %s what reports itself as %s', (name, product) => {
  const models = deviceClassOf(name)?.models ?? [];
  const model = normaliseModel(product);
  expect(models.some((each) => model === each || model.startsWith(`${each}-`))).toBe(true);
});

it.each([
  ['A100-80GB', 'NVIDIA A100-SXM4-40GB'],
  ['a10', 'NVIDIA A10G'],
  ['l40', 'NVIDIA L40S'],
  ['h100-sxm', 'NVIDIA H100 PCIe'],
])('does not take for %s what reports itself as %s', (name, product) => {
  const model = normaliseModel(product);
  const models = deviceClassOf(name)?.models ?? [];
  expect(models.some((each) => model === each || model.startsWith(`${each}-`))).toBe(false);
});

it('knows no class of other names', () => {
  for (const name of ['a100', 'rtx', '2', 'toString', '', 'x'.repeat(90)])
    expect(deviceClassOf(name)).toBeUndefined();
});
