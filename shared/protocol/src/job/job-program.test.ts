import { expect, it } from 'vitest';
import { parseJobFile } from './job-spec.ts';

const minimal = { version: '1', image: 'busybox:1', resources: { memory: '16Mi' } };

it.each([
  // The image's ENTRYPOINT may be a program that knows nothing of shells.
  [{ command: 'echo $HOME' }, ['/bin/sh', '-c'], ['echo $HOME']],
  [{ command: ['echo', 'hi'] }, undefined, ['echo', 'hi']],
  [{ entrypoint: 'exec prog | tee /out/log' }, ['/bin/sh', '-c', 'exec prog | tee /out/log'], undefined],
  [{ entrypoint: ['/bin/tool', '-v'] }, ['/bin/tool', '-v'], undefined],
  [{ entrypoint: ['/bin/tool'], command: ['x'] }, ['/bin/tool'], ['x']],
  [{ entrypoint: ['tini', '--'], command: 'a | b' }, ['tini', '--'], ['/bin/sh', '-c', 'a | b']],
  [{ entrypoint: ['bash', '-euo', 'pipefail', '-c'], command: 'a | b' }, undefined, ['a | b']],
  [{ entrypoint: ['python3', '-c'], command: 'print(1)' }, ['python3', '-c'], ['print(1)']],
  [{ entrypoint: ['/bin/bash', '-lc'], command: 'a' }, ['/bin/bash', '-lc'], ['a']],
])('reads %j', (program, entrypoint, command) => {
  const result = parseJobFile({ ...minimal, ...program });
  if (!result.ok) throw new Error(JSON.stringify(result.refusal));
  if (entrypoint !== undefined || !('entrypoint' in program))
    expect(result.value.entrypoint).toEqual(entrypoint);
  expect(result.value.command).toEqual(command);
});

it('refuses two shell lines, one of which would be lost', () => {
  const result = parseJobFile({ ...minimal, entrypoint: 'prepare', command: 'run' });
  expect(result).toMatchObject({
    ok: false,
    refusal: {
      code: 'job.invalid',
      problems: [{ pointer: '/command', message: expect.stringContaining('entrypoint as a list') as string }],
    },
  });
});
