import { parseJobFile } from '@capacloud/protocol/job/job-spec';
import { expect, it } from 'vitest';
import { gpuText } from './phrases.ts';

it('names GPUs as people do, the wish first', () => {
  const parsed = parseJobFile({
    version: '1',
    image: 'busybox',
    resources: { gpu: ['h100:8', { model: ['4090', 'NVIDIA RTX 5000 Ada Generation'] }, { share: 0.25 }] },
  });
  if (!parsed.ok) throw new Error(parsed.refusal.message);
  expect(gpuText(parsed.value.resources)).toBe(
    '8 × h100, else 1 × rtx-4090 or rtx-5000-ada-generation, else 0.25 × any',
  );
});
