import { readFileSync } from 'node:fs';
import { shownJson } from '@capacloud/protocol/input/plain-text';
import { Command } from 'commander';
import { backUp } from './backup.ts';
import { keysCommand } from './keys.ts';
import { type ConfigFlags, loadConfig } from './load-config.ts';
import { changeOffline, listIsolated, type OfflineVerb, offlineVerbs } from './offline.ts';
import { restore, restoreWarning } from './restore.ts';
import { serve } from './serve.ts';
import { simulateCommand } from './simulate.ts';
import { printStateHash } from './state-hash.ts';

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
};

export function withConfigFlags(command: Command): Command {
  return command
    .option('--config <file>', 'settings (YAML); also CAPACLOUD_CONFIG')
    .option('--data-dir <folder>', 'where everything is kept; also CAPACLOUD_DATA_DIR')
    .option('--listen <host:port>', 'address to listen on; also CAPACLOUD_LISTEN');
}

export function createCommandLine(): Command {
  const program = new Command('capacloud-coordinator')
    .description('Matches work to machines, and records who earned what.')
    .version(version)
    .exitOverride()
    .showHelpAfterError()
    .showSuggestionAfterError();
  withConfigFlags(program.command('serve').description('run the coordinator until it is told to stop'))
    .option('--name <name>', 'name of the coordinator and its log; also CAPACLOUD_NAME')
    .option('--log-level <level>', 'debug, info, warn or error; also CAPACLOUD_LOG_LEVEL')
    .action((flags: ConfigFlags) => serve(loadConfig(flags, process.env), version));
  withConfigFlags(
    program
      .command('state-hash')
      .description('replay the log from its first event, and print its size, root and state hash'),
  ).action((flags: ConfigFlags) => printStateHash(loadConfig(flags, process.env).dataDir, process.stdout));
  withConfigFlags(
    program
      .command('backup <folder>')
      .description('copy the data folder of a coordinator that may be running'),
  ).action(async (folder: string, flags: ConfigFlags) => {
    process.umask(0o077);
    print(await backUp(loadConfig(flags, process.env).dataDir, folder, Date.now()));
  });
  program
    .command('restore <folder>')
    .description('check a backup and make a data folder of it')
    .requiredOption('--data-dir <folder>', 'the folder to make')
    .action(async (folder: string, { dataDir }: { readonly dataDir: string }) => {
      process.umask(0o077);
      print(await restore(folder, dataDir));
      process.stderr.write(restoreWarning);
    });
  for (const [verb, what] of Object.entries(offlineVerbs) as [OfflineVerb, string][])
    withConfigFlags(program.command(`${verb} <id>`).description(`${what}; the coordinator is stopped`))
      .option('--name <name>', 'name of the coordinator and its log; also CAPACLOUD_NAME')
      .action(async (id: string, flags: ConfigFlags) => {
        process.umask(0o077);
        print(await changeOffline(loadConfig(flags, process.env), verb, id));
      });
  withConfigFlags(
    program
      .command('isolated')
      .description('list what broke the books and is kept away from; the coordinator is stopped'),
  )
    .option('--name <name>', 'name of the coordinator and its log; also CAPACLOUD_NAME')
    .action(async (flags: ConfigFlags) => {
      process.umask(0o077);
      print(await listIsolated(loadConfig(flags, process.env)));
    });
  program.addCommand(keysCommand());
  program.addCommand(simulateCommand().copyInheritedSettings(program));
  return program;
}

function print(report: object): void {
  process.stdout.write(`${shownJson(report)}\n`);
}
