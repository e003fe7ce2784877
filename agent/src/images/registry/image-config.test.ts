import { expect, test } from 'vitest';
import { parseImageConfig, plainConfig, settingsFault, settingsOf } from './image-config.ts';

const diffId = `sha256:${'a'.repeat(64)}`;

function faultOf(config: object): string | undefined {
  const file = parseImageConfig(
    Buffer.from(JSON.stringify({ config, rootfs: { type: 'layers', diff_ids: [diffId] } })),
  );
  return file === undefined ? 'no configuration' : settingsFault(settingsOf(file));
}

test.each<[string, object]>([
  ['a variable without a name', { Env: ['=x'] }],
  ['a variable without a value', { Env: ['x'] }],
  ['a variable that no program is started with', { Env: [`x=${'y'.repeat(200_000)}`] }],
  [
    'more than a program is started with',
    { Env: Array.from({ length: 20 }, (_, n) => `v${n}=${'y'.repeat(60_000)}`) },
  ],
  ['a variable with a zero byte', { Env: ['x=a\0b'] }],
  ['variables that are no texts', { Env: [1] }],
  ['variables that are no list', { Env: 'x=y' }],
  ['a volume with a long path', { Volumes: { [`/${'v'.repeat(5000)}`]: {} } }],
  ['a volume with a long name', { Volumes: { [`/a/${'v'.repeat(300)}`]: {} } }],
  ['a volume with a line break', { Volumes: { '/a\nb': {} } }],
  ['a volume at the root', { Volumes: { '/.': {} } }],
  ['a volume that is relative', { Volumes: { 'a/b': {} } }],
  ['a volume above the root', { Volumes: { '/a/../../proc': {} } }],
  ['a volume over devices', { Volumes: { '/dev': {} } }],
  ['a folder as a volume twice', { Volumes: { '/a': {}, '/b/../a/': {} } }],
  [
    'very many volumes',
    { Volumes: Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`/v${n}`, {}])) },
  ],
  ['a program with a zero byte', { Cmd: ['a\0b'] }],
  ['very many arguments', { Entrypoint: Array.from({ length: 9000 }, () => 'x') }],
  ['a program that is no list', { Entrypoint: { a: 1 } }],
  ['a working directory that is none', { WorkingDir: '../x' }],
  ['a working directory that is too long', { WorkingDir: `/${'x'.repeat(5000)}` }],
])('no container can have %s', (_, config) => expect(faultOf(config)).toEqual(expect.any(String)));

test.each<[string, object]>([
  ['nothing', {}],
  ['nulls', { Env: null, Cmd: null, Entrypoint: null, Volumes: null }],
  [
    'usual settings',
    {
      Env: ['PATH=/bin', 'EMPTY='],
      Cmd: ['sh'],
      Volumes: { '/data': {}, '/dev/shm': {} },
      WorkingDir: '/srv',
    },
  ],
])('a container can have %s', (_, config) => expect(faultOf(config)).toBeUndefined());

test('what nobody needs is left out, whatever its type', () => {
  const odd = {
    Healthcheck: { Test: ['CMD', 'x'] },
    Labels: [1],
    User: {},
    OnBuild: 'x',
    StopSignal: 9,
    ExposedPorts: 1,
    Shell: 1,
  };
  const text = JSON.stringify({
    created: 1,
    history: 7,
    config: { ...odd, Cmd: ['sh'] },
    rootfs: { diff_ids: [diffId] },
  });
  const file = parseImageConfig(Buffer.from(text));
  if (file === undefined) throw new Error('it can be read');
  expect(JSON.parse(plainConfig(file).toString())).toEqual({
    architecture: '',
    os: 'linux',
    config: { Env: [], Cmd: ['sh'] },
    rootfs: { type: 'layers', diff_ids: [diffId] },
  });
});
