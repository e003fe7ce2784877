import { registerHooks } from 'node:module';
import { markedGuards, withoutGuard } from './guard.ts';
import { guards } from './guards.ts';
import type { SeedReport } from './mutant-run.ts';

/**
 * Runs seeds on the product without one of its guards, or whole where none is named, and tells what each came to, a
 * line of JSON each: `node mutant-process.ts SEED,SEED… [NAME]`. The seed that fails is the last.
 */
const [, , seeds = '', name] = process.argv;
const guard = guards.find((each) => each.name === name);
if (name !== undefined && guard === undefined) throw new Error(`there is no guard ${name}`);

let isTaken = guard === undefined;
if (guard !== undefined) {
  registerHooks({
    load(url, context, next) {
      const loaded = next(url, context);
      if (!url.endsWith('.ts') || url === import.meta.url) return loaded;
      const whole = textOf(loaded.source);
      if (!markedGuards(whole).includes(guard.name)) return loaded;
      const source = withoutGuard(whole, guard);
      if (source === undefined) throw new Error(`the guard ${guard.name} is not as its entry says`);
      isTaken = true;
      return { ...loaded, source };
    },
  });
}

function textOf(source: unknown): string {
  if (typeof source === 'string') return source;
  if (source instanceof Uint8Array) return Buffer.from(source).toString('utf8');
  throw new Error('a module has no source');
}

// Static imports are linked before anything runs, so the simulated world may come only now.
await import('../install.ts');
const { planOf } = await import('../world/plan.ts');
const { runPlan } = await import('../world/world.ts');
if (!isTaken) throw new Error(`no module that simulated runs load marks the guard ${name}`);
for (const seed of seeds.split(',').map(Number)) {
  const { failure } = await runPlan(planOf(seed), 0);
  const report: SeedReport = { seed, rule: failure?.rule, detail: failure?.detail.slice(0, 300) };
  process.stdout.write(`${JSON.stringify(report)}\n`);
  if (failure !== undefined) break;
}
// Timers of the product that was simulated are not real; nothing is left to wait for.
process.exit();
