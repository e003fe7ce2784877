import { describe, expect, it } from 'vitest';
import { digestOf, parseImage } from './image-store.ts';

describe('an image reference', () => {
  it.each([
    ['busybox', 'busybox', 'latest'],
    ['busybox:1', 'busybox', '1'],
    ['host:5000/a/b', 'host:5000/a/b', 'latest'],
    ['host:5000/a/b:v2', 'host:5000/a/b', 'v2'],
    ['host:5000/a@sha256:ab', 'host:5000/a', 'sha256:ab'],
  ])('%s', (image, fromImage, tag) => {
    expect(parseImage(image)).toEqual({ fromImage, tag });
  });

  it('is known by the digest of its own repository, else by any, else by its id', () => {
    const digests = ['other@sha256:1', 'host:5000/a@sha256:2'];
    expect(digestOf('host:5000/a:v1', digests, 'sha256:id')).toBe('sha256:2');
    expect(digestOf('third', digests, 'sha256:id')).toBe('sha256:1');
    expect(digestOf('third', [], 'sha256:id')).toBe('sha256:id');
  });
});
