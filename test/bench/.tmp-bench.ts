import { fork } from 'node:child_process';
import { startGatewayRig } from '/work/main/test/e2e/gateway-rig.ts';

const n = Number(process.argv[2] ?? 200),
  tasks = Number(process.argv[3] ?? 40000);
const rig = await startGatewayRig({ keeps: false });
const child = fork('/tmp/agents.ts', [rig.url, String(n)], {
  execArgv: ['--import', 'tsx', '--conditions=@capacloud/source'],
});
const ready: any = await new Promise((r) => child.once('message', r));
console.log('connected', n, ready, 'sessions', rig.gateway.sessions);
let done = 0;
let finish!: () => void;
const all = new Promise<void>((r) => {
  finish = r;
});
rig.sequencer.onCommitted((g) => {
  for (const { event } of g)
    if (event.type === 'attempt.ended') {
      done++;
      if (done === tasks) finish();
    }
});
const c0 = process.cpuUsage(),
  t0 = performance.now();
const per = 5000;
for (let i = 0; i < tasks; i += per) await rig.submitJob(Math.min(per, tasks - i));
await all;
const ms = performance.now() - t0,
  c = process.cpuUsage(c0);
console.log(
  `${Math.round((tasks / ms) * 1000)} tasks/s; coordinator cpu ${((c.user + c.system) / tasks).toFixed(1)} us/task`,
  rig.gateway.refusals,
  rig.fatal,
);
child.send('x');
await rig.stop();
process.exit(0);
