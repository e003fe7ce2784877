import './install.ts';

// Static imports are linked before anything runs, so the product may come only now.
const { planOf } = await import('./world/plan.ts');
const { runPlan } = await import('./world/world.ts');
const seed = Number(process.argv[2] ?? 1);
const keep = Number(process.argv[3] ?? 0);
for (let s = seed; s < seed + Number(process.argv[4] ?? 1); s++) {
  const begun = process.cpuUsage();
  const result = await runPlan(planOf(s), keep);
  const { user, system } = process.cpuUsage(begun);
  const { trace, ...rest } = result;
  if (trace.length) console.log(trace.join('\n'));
  console.log(
    JSON.stringify(rest),
    Math.round(result.events / ((user + system) / 1e6)),
    'events/s',
    Math.round((user + system) / 1000),
    'ms',
  );
}
