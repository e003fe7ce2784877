import { expect, test } from 'vitest';
import { type ConfigSources, environmentName, resolveConfig } from './config.ts';

function resolve(file: string, change: Partial<ConfigSources> = {}) {
  return resolveConfig({ file, env: {}, flags: {}, ...change });
}
function problems(file: string, change: Partial<ConfigSources> = {}): readonly string[] {
  const result = resolve(file, change);
  return result.ok
    ? []
    : (result.refusal.problems ?? []).map(({ pointer, message }) => `${pointer}: ${message}`);
}
const coordinator = 'coordinator: wss://c.example\n';

test('defaults are safe, and the rest is as written', () => {
  const result = resolve(
    `${coordinator}state_dir: /s\nresources:\n  cpu: 1.5\n  memory: 16Gi\n  slots: 3\nask: {cpu_hour: "0.25"}\n`,
  );
  expect(result).toEqual({
    ok: true,
    value: {
      coordinator: 'wss://c.example/v1/session',
      stateDir: '/s',
      keyFile: '/s/node.key',
      statusSocket: '/s/agent.sock',
      dockerSocket: '/var/run/docker.sock',
      registries: ['default'],
      localImages: [],
      allowRoot: false,
      shareDevices: false,
      scratch: 'auto',
      logLevel: 'info',
      resources: {
        cpu: { kind: 'amount', value: 1500 },
        memory: { kind: 'amount', value: 16 * 2 ** 30 },
        disk: { kind: 'percent', value: 50 },
        images: { kind: 'percent', value: 25 },
        slots: 3,
      },
      ask: {
        cpuHourNano: '250000000',
        memoryGibHourNano: '2000000',
        diskGibHourNano: '100000',
        deviceHourNano: '500000000',
      },
    },
  });
});

test('says where the machine is, and what its owner calls it', () => {
  const said = { region: 'eu-central', labels: { tier: 'gold', 'rack.units': '42', spot: 'true' } };
  const file = `${coordinator}region: EU-Central\nlabels:\n  tier: gold\n  rack.units: 42\n  spot: true\n`;
  expect(resolve(file)).toMatchObject({ ok: true, value: said });
  const env = {
    CAPACLOUD_AGENT_REGION: 'eu-central',
    CAPACLOUD_AGENT_LABELS: 'tier=gold, rack.units=42,spot=true',
  };
  expect(resolve(coordinator, { env })).toMatchObject({ ok: true, value: said });
  // As setup writes what a flag said.
  expect(resolve(`${coordinator}labels: tier=gold\n`)).toMatchObject({ value: { labels: { tier: 'gold' } } });
  const many = Array.from({ length: 17 }, (_, n) => `k${n}=v`).join();
  expect(problems(`${coordinator}labels: ${many}`)).toEqual(['labels: has more than 16 labels']);
});

test('lists the images of the owner that tasks may use', () => {
  const said = { localImages: ['company/app:1', 'x.example/team/*'] };
  expect(resolve(`${coordinator}local_images:\n  - company/app:1\n  - x.example/team/*\n`)).toMatchObject({
    value: said,
  });
  expect(resolve(`${coordinator}local_images: company/app:1,x.example/team/*\n`)).toMatchObject({
    value: said,
  });
  const env = { CAPACLOUD_AGENT_LOCAL_IMAGES: 'company/app:1, x.example/team/*' };
  expect(resolve(coordinator, { env })).toMatchObject({ value: said });
  expect(resolve(coordinator, { env: { CAPACLOUD_AGENT_LOCAL_IMAGES: '' } })).toMatchObject({
    value: { localImages: [] },
  });
});

test('names the user ids of tasks, in a range that is large enough and holds none of the system', () => {
  const uids = (text: string) => `${coordinator}task_uids: ${text}\n`;
  expect(resolve(uids('70000-72047'))).toMatchObject({
    value: { taskUids: { first: 70_000, last: 72_047 } },
  });
  expect(problems(uids('70000-70100'))).toEqual([expect.stringContaining('at least 1024') as string]);
  expect(problems(uids('65000-70000'))).toEqual([expect.stringContaining('must not hold 65534') as string]);
  for (const odd of ['0-70000', '70000', '72047-70000', '2147000000-4294967295', 'a-b'])
    expect(problems(uids(odd))).toEqual([expect.stringMatching(/^task_uids: must /) as string]);
});

test('flags go over the environment, the environment over the file', () => {
  const file = `${coordinator}log_level: error\nscratch: loop\nallow_root: true\n`;
  const env = {
    CAPACLOUD_AGENT_LOG_LEVEL: 'warn',
    CAPACLOUD_AGENT_SCRATCH: 'memory',
    CAPACLOUD_AGENT_ALLOW_ROOT: 'false',
    CAPACLOUD_AGENT_RESOURCES_CPU: '2',
    CAPACLOUD_AGENT_CONFIG: '/x',
    OTHER: '1',
  };
  const result = resolve(file, { env, flags: { log_level: 'debug' } });
  expect(result.ok && result.value).toMatchObject({
    logLevel: 'debug',
    scratch: 'memory',
    allowRoot: false,
    resources: { cpu: { value: 2000 } },
  });
  expect(environmentName('ask.cpu_hour')).toBe('CAPACLOUD_AGENT_ASK_CPU_HOUR');
});

const noRegion = 'must be a name such as eu-central: at most 32 letters, digits and dashes';
const noArch = 'cannot set arch: the offer says it by itself';
const noValue = 'needs for tier a value of 1 to 63 letters, digits and . _ - between them';
test.each<[string, string, string]>([
  ['an unknown key', `${coordinator}state_dri: /s`, 'state_dri: is not a setting; did you mean state_dir?'],
  [
    'an unknown key in a group',
    `${coordinator}resources: {cpus: 1}`,
    'resources.cpus: is not a setting; did you mean resources.cpu?',
  ],
  ['a key that is like nothing', `${coordinator}quux_frobnicator: 1`, 'quux_frobnicator: is not a setting'],
  ['a group that is a value', `${coordinator}resources: 4`, 'resources: must hold settings of its own'],
  ['a list for a value', `${coordinator}log_level: [info]`, 'log_level: must be a single value'],
  ['no coordinator', 'log_level: info', 'coordinator: is needed: run capacloud-agent setup'],
  [
    'a coordinator over http',
    'coordinator: http://c',
    'coordinator: must be a WebSocket URL, such as wss://coordinator.example/v1/session',
  ],
  ['a password in the URL', 'coordinator: ws://a:b@c', 'coordinator: must not hold a user name or password'],
  ['a relative path', `${coordinator}state_dir: here`, 'state_dir: must be an absolute path'],
  [
    'a price that is none',
    `${coordinator}ask: {cpu_hour: free}`,
    'ask.cpu_hour: must be an amount of CAPA such as "0.05"',
  ],
  [
    'a share over all',
    `${coordinator}resources: {cpu: 150%}`,
    'resources.cpu: must be a number of processors such as 4 or 500m, or a share such as 50%',
  ],
  [
    'slots out of range',
    `${coordinator}resources: {slots: 0}`,
    'resources.slots: must be a whole number from 1 to 1024',
  ],
  [
    'an address that is none',
    `${coordinator}provider: me`,
    'provider: must be a wallet address: 0x and 40 hex digits, in quotes',
  ],
  [
    'a level that is none',
    `${coordinator}log_level: loud`,
    'log_level: must be one of debug, info, warn, error',
  ],
  ['a region that is none', `${coordinator}region: "Europe, central"`, `region: ${noRegion}`],
  ['a label that the offer says by itself', `${coordinator}labels: {arch: vax}`, `labels: ${noArch}`],
  ['a list of labels', `${coordinator}labels: [gold]`, 'labels: must be a map'],
  ['a label without a value', `${coordinator}labels: {tier: }`, `labels: ${noValue}`],
  [
    'a pattern for every image',
    `${coordinator}local_images: ["*"]`,
    'local_images: has "*", which may have a * only in the place of its tag or of the last part of its path',
  ],
  [
    'an image that is none',
    `${coordinator}local_images: [App]`,
    'local_images: has "App", which must have its repository in lower case; write app',
  ],
  [
    'a registry with a path',
    `${coordinator}registries: ["https://a.example/b"]`,
    'registries: has "https://a.example/b", which must be the host of a registry, without a path, such as ghcr.io',
  ],
  [
    'a star without TLS',
    `${coordinator}registries: ["http://*"]`,
    'registries: has "http://*", which has no TLS and a *; name each registry without TLS by its host',
  ],
  ['a map of images', `${coordinator}local_images: {a: b}`, 'local_images: must be a list of texts'],
  ['a list for the file', '- a', ': must be a list of settings such as "coordinator: wss://…"'],
])('refuses %s', (_, file, problem) => {
  expect(problems(file)).toContain(problem);
});

test('refuses text that is no YAML, aliases that could grow, and misspelt variables', () => {
  expect(problems('a: [')[0]).toContain('is not YAML');
  expect(problems('a: &x {b: 1}\nc: *x')[0]).toContain('is not YAML');
  const env = { CAPACLOUD_AGENT_STATEDIR: '/s' };
  expect(problems(coordinator, { env })).toEqual([
    'CAPACLOUD_AGENT_STATEDIR: is not a setting; did you mean CAPACLOUD_AGENT_STATE_DIR?',
  ]);
});

const scheduled = `${coordinator}min_run: 10m
ask:
  interruptible_discount: 40%
  device_hour: "0.5"
  time_zone: Europe/Berlin
  schedule:
    - { days: mon-fri, hours: 08:00-18:00, closed: true }
    - { days: [sat, sun-mon], hours: 22:00-06:00, device_hour: "0.3", cpu_hour: 1 }
    - { hours: 6:30-24:00, device_hour: 0 }
`;

test('a schedule has the plain prices where its periods name none', () => {
  const result = resolve(scheduled);
  const ask = { memoryGibHourNano: '2000000', diskGibHourNano: '100000' };
  const weekdays = ['mon', 'tue', 'wed', 'thu', 'fri'];
  expect(result.ok && result.value).toMatchObject({
    minRunMs: 600_000,
    interruptibleDiscountPercent: 40,
    schedule: {
      timeZone: 'Europe/Berlin',
      periods: [
        { days: weekdays, fromMinute: 480, toMinute: 1080 },
        {
          days: ['mon', 'sat', 'sun'],
          fromMinute: 1320,
          toMinute: 360,
          ask: { ...ask, cpuHourNano: '1000000000', deviceHourNano: '300000000' },
        },
        {
          days: [...weekdays, 'sat', 'sun'],
          fromMinute: 390,
          toMinute: 1440,
          ask: { ...ask, cpuHourNano: '10000000', deviceHourNano: '0' },
        },
      ],
    },
  });
  expect(result.ok && result.value.schedule?.periods[0]).not.toHaveProperty('ask');
});

test.each<[string, string, string]>([
  ['no list', '4', ': must be a list of up to 64 periods'],
  [
    'no period',
    '[closed]',
    '.0: must hold days, hours and prices, such as {days: mon-fri, hours: 08:00-18:00, closed: true}',
  ],
  [
    'days that are none',
    '[{days: monday, closed: true}]',
    '.0.days: must be days such as mon-fri, or a list such as [sat, sun]',
  ],
  ...['8-18', '08:00-08:00', '25:00-26:00', '08:60-09:00'].map((hours): [string, string, string] => [
    `hours ${hours}`,
    `[{hours: "${hours}", closed: true}]`,
    '.0.hours: must be two different times such as 08:00-18:00, or 22:00-06:00 past midnight',
  ]),
  ['a misspelt price', '[{device_huor: 1}]', '.0.device_huor: is not a setting; did you mean device_hour?'],
  [
    'a price that is none',
    '[{device_hour: [1]}]',
    '.0.device_hour: must be an amount of CAPA such as "0.05"',
  ],
  ['prices while closed', '[{closed: true, device_hour: 1}]', '.0: must either name prices or be closed'],
  ['neither', '[{days: sat}]', '.0: must either name prices or be closed'],
])('refuses a schedule with %s', (_, list, problem) => {
  expect(problems(`${coordinator}ask: {schedule: ${list}}`)).toContain(`ask.schedule${problem}`);
});

test.each([
  ['ask: {time_zone: Mars/Olympus}', 'ask.time_zone: must be a time zone such as Europe/Berlin'],
  ...['0%', '96%', '4.5%'].map((share) => [
    `ask: {interruptible_discount: ${share}}`,
    'ask.interruptible_discount: must be a share from 1% to 95%',
  ]),
  ...['40', '0.4'].map((share) => [
    `ask: {interruptible_discount: ${share}}`,
    'ask.interruptible_discount: must be a share from 1% to 95%; has no unit; write 40%',
  ]),
  [
    'min_run: 10',
    'min_run: must be a duration from 1s to 30d, such as 10m or 1h30m; has no unit; write 10s or 10m',
  ],
  ...['memory', 'disk'].flatMap((key) => [
    [
      `resources: {${key}: 16}`,
      `resources.${key}: must be a size such as 16Gi, or a share such as 50%; has no unit: 16 is 16 bytes; write 16Gi`,
    ],
    [
      `resources: {${key}: "17179869184"}`,
      `resources.${key}: must be a size such as 16Gi, or a share such as 50%; has no unit; write 16Gi`,
    ],
    [
      `resources: {${key}: 16g}`,
      `resources.${key}: must be a size such as 16Gi, or a share such as 50%; write 16Gi`,
    ],
  ]),
])('refuses %s', (line, problem) => {
  expect(problems(`${coordinator}${line}`)).toContain(problem);
});

test('an empty file is one without settings', () => {
  expect(resolve('', { flags: { coordinator: 'ws://c:1/path' } })).toMatchObject({
    ok: true,
    value: { coordinator: 'ws://c:1/path' },
  });
});

test('the list of registries holds the public ones unless the owner says otherwise', () => {
  expect(resolve(coordinator)).toMatchObject({ value: { registries: ['default'] } });
  expect(resolve(`${coordinator}registries: [default, "registry.lan:5000"]\n`)).toMatchObject({
    value: { registries: ['default', 'registry.lan:5000'] },
  });
  expect(resolve(coordinator, { env: { CAPACLOUD_AGENT_REGISTRIES: 'ghcr.io, *' } })).toMatchObject({
    value: { registries: ['ghcr.io', '*'] },
  });
});
