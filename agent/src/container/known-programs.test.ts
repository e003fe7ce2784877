import type { Assignment } from '@capacloud/protocol/wire/frames';
import { expect, it } from 'vitest';
import { KnownPrograms } from './known-programs.ts';

it('does not expect a program in an empty folder that was found in one that was saved', () => {
  const known = new KnownPrograms();
  const assignment = (checkpoint: object) =>
    ({ inputs: [], outputs: [], checkpoint }) as unknown as Assignment;
  const restored = assignment({ path: '/ckpt', saved: { sha256: 'a' } });
  known.add(restored, 'image', ['/ckpt/run']);
  expect(known.has(restored, 'image', ['/ckpt/run'])).toBe(true);
  expect(known.has(assignment({ path: '/ckpt' }), 'image', ['/ckpt/run'])).toBe(false);
});
