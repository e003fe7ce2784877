import { expect, it } from 'vitest';
import { isCommandFault, isNodeFault, programCandidates, tellsOf } from './start-check.ts';

it('knows the faults of a job from those of the node', () => {
  const missing = 'exec: "nosuch": executable file not found in $PATH: unknown';
  expect(isCommandFault(missing)).toBe(true);
  expect(isCommandFault('mkdir /var/lib/docker/overlay2/l: no space left on device')).toBe(false);
  const both = 'runc: open /run/state.json: no such file or directory: write: no space left on device';
  expect(isCommandFault(both)).toBe(false);
  // Seen after a full disk under the engine.
  const torn = 'chown /var/lib/docker/overlay2/5e79b5b6/diff: no such file or directory';
  expect(isCommandFault(torn)).toBe(false);
  const target = 'error mounting "/a" to rootfs at "/var/lib/docker/overlay2/5e/merged/b": not a directory';
  expect(isCommandFault(target)).toBe(true);
  // A volume that is gone from the disk, or an engine that keeps its volumes where it cannot mount from.
  const gone =
    'invalid mount config for type "bind": bind source path does not exist: /var/lib/docker/volumes/x';
  expect([isNodeFault(gone), isCommandFault(gone)]).toEqual([true, false]);
});

it('takes a program for missing only when the engine could look for it', () => {
  expect(tellsOf(404)).toBe('absent');
  // Seen with a full disk under the engine: it could not mount the container to look into it.
  expect(tellsOf(500)).toBe('unclear');
});

it('looks where execvp would', () => {
  expect(programCandidates('sh', ['PATH=/a:/b'], '')).toEqual(['/a/sh', '/b/sh']);
  expect(programCandidates('./run', [], '/srv/job')).toEqual(['/srv/job/run']);
});
