import { type ImageReference, parseImageReference } from '@capacloud/protocol/job/image-reference';
import { describe, expect, it } from 'vitest';
import { digestOf } from './image-store.ts';

const hex = 'ab'.repeat(32);

function reference(text: string): ImageReference {
  const parsed = parseImageReference(text);
  if (!parsed.ok) throw new Error(parsed.refusal);
  return parsed.value;
}

describe('an image reference', () => {
  it('is known by the digest of its own repository, else by any, else by its id', () => {
    const other = `sha256:${'01'.repeat(32)}`;
    const digests = [`other@${other}`, `host:5000/a@sha256:${hex}`, `busybox@sha256:${hex}`];
    expect(digestOf(reference('host:5000/a:v1'), digests, 'sha256:id')).toBe(`sha256:${hex}`);
    expect(digestOf(reference('docker.io/library/busybox'), digests, 'sha256:id')).toBe(`sha256:${hex}`);
    expect(digestOf(reference('third'), digests, 'sha256:id')).toBe(other);
    expect(digestOf(reference('third'), [], 'sha256:id')).toBe('sha256:id');
  });
});
