import { deviceClasses } from '@capacloud/protocol/job/device-classes';
import type { Command } from 'commander';
import { writeTable } from '../table.ts';
import type { Runner } from './verb.ts';

export function addGpus(program: Command, runner: Runner): void {
  program
    .command('gpus')
    .description('names of GPUs that a job file may ask for, each for all devices of its class')
    .action(
      runner((context) => {
        if (context.json) context.writeJson(deviceClasses);
        else
          writeTable(
            context.terminal.out,
            [
              { title: 'NAME' },
              { title: 'VENDOR' },
              { title: 'LEAST MEMORY', align: 'right' },
              { title: 'ALSO', shrinks: true },
              { title: 'TAKES', shrinks: true },
            ],
            deviceClasses.map(({ aliases, id, memoryGib, models, vendor }) => [
              id,
              vendor,
              `${memoryGib} GiB`,
              aliases.join(', '),
              models.join(', '),
            ]),
          );
        return Promise.resolve(undefined);
      }),
    );
}
