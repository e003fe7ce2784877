import { ScriptedAgent } from '@capacloud/rig/network/scripted-agent';

/** Child process of the lifecycle benchmark: many agents without containers, each with a socket of its own. */
const [url = '', countText = '0'] = process.argv.slice(2);
const count = Number(countText);
const agents = Array.from({ length: count }, () => new ScriptedAgent({ url }));
const atOnce = 25;
for (let i = 0; i < count; i += atOnce)
  await Promise.all(agents.slice(i, i + atOnce).map((agent) => agent.connect()));
process.send?.({ connected: count });
process.on('message', (message) => {
  if (message === 'usage') {
    const { user, system } = process.cpuUsage();
    process.send?.({ cpuMs: (user + system) / 1000 });
  }
  if (message === 'stop') process.exit(0);
});
