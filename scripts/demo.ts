// The main job, whole: a network on this machine renders a picture in tasks and pays for it, while an agent dies.
//
//   npm run demo [-- --keep | --clean | --tasks N]

import { parseArgs } from 'node:util';
import { guardRun } from '@capacloud/rig/leftovers/guarded-run';
import { watchInterruption } from '@capacloud/rig/leftovers/interruption';
import { cleanUp } from './demo/clean-up.ts';
import { demoDir, demoName } from './demo/demo-places.ts';
import { runDemo } from './demo/run-demo.ts';
import { createScreen } from './demo/screen.ts';

const usage = `usage: npm run demo [-- OPTIONS]

  --keep       leave the network running at the end, and say how to use it
  --clean      remove everything that demos have made on this machine: processes, containers, images, files
  --tasks N    tasks to cut the picture into (24 to 96, a multiple of 8; default 24)
`;

const interruption = watchInterruption();
const screen = createScreen(process.stdout, process.env);

/** Arguments, or the exit code where there is nothing to run. */
function readArguments():
  | { readonly keep: boolean; readonly clean: boolean; readonly tasks: number }
  | number {
  try {
    const { values } = parseArgs({
      options: {
        keep: { type: 'boolean', default: false },
        clean: { type: 'boolean', default: false },
        tasks: { type: 'string', default: '24' },
        help: { type: 'boolean', default: false },
      },
    });
    const tasks = Number(values.tasks);
    if (!values.help && Number.isInteger(tasks) && tasks >= 24 && tasks <= 96 && tasks % 8 === 0)
      return { keep: values.keep, clean: values.clean, tasks };
    process.stderr.write(usage);
    return values.help ? 0 : 2;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${usage}`);
    return 2;
  }
}

const options = readArguments();
if (typeof options === 'number') {
  process.exitCode = options;
} else {
  try {
    if (options.clean) await cleanUp(screen, interruption.signal);
    else {
      const { signal } = interruption;
      const owned = { folders: [demoDir], coordinators: [demoName] };
      await guardRun(owned, (guard) => runDemo({ ...options, screen, signal, guard }));
    }
  } catch (error) {
    screen.settle();
    const hint = error instanceof Error && 'hint' in error ? `\n  hint: ${String(error.hint)}` : '';
    process.stderr.write(
      `\n${interruption.signal.aborted ? 'stopped; nothing was left behind' : `demo: ${error instanceof Error ? error.message : String(error)}${hint}`}\n`,
    );
    process.exitCode = interruption.signal.aborted ? 130 : 1;
  }
}
