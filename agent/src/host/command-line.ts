import { resolve } from 'node:path';
import { shownJson } from '@capacloud/protocol/input/plain-text';
import { Command } from 'commander';
import type { DoctorParts } from './checks/finding.ts';
import { type AgentConfig, defaultConfigFile, readConfigFile, resolveConfig } from './config.ts';
import { examine } from './doctor.ts';
import { failureOf, failureText, OwnerMustAct } from './failure.ts';
import { findingText } from './finding-text.ts';
import { addSettingFlags, givenSettings, type Options } from './setting-flags.ts';
import { setUp } from './setup.ts';
import { toleratePipesThatClose } from './standard-streams.ts';
import { askStatus } from './status-socket.ts';
import { type AgentStatus, statusText } from './status-text.ts';

export interface CommandParts {
  readonly version: string;
  readonly run: (config: AgentConfig) => Promise<void>;
  readonly doctorParts: (config: AgentConfig) => DoctorParts;
}

/** Data goes to standard output, everything else to standard error. */
function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function withSettings(command: Command): Command {
  command.option('--config <file>', `configuration file (default: ${defaultConfigFile})`);
  addSettingFlags(command);
  return command;
}

async function loadConfig(options: Options): Promise<AgentConfig> {
  const asked = typeof options.config === 'string' ? options.config : undefined;
  const { text } = await readConfigFile(asked, process.env);
  const config = resolveConfig({ file: text, env: process.env, flags: givenSettings(options) });
  if (!config.ok) throw new OwnerMustAct(config.refusal);
  return config.value;
}

async function status(options: Options): Promise<void> {
  const config = await loadConfig(options);
  const answer = await askStatus(config.statusSocket).catch((error: unknown) => {
    const why = error instanceof Error ? error.message : String(error);
    const isForbidden = error instanceof Error && 'code' in error && error.code === 'EACCES';
    throw new OwnerMustAct({
      code: 'agent_silent',
      message: `no agent answers at ${config.statusSocket}: ${why}`,
      hint: isForbidden ? 'Ask as the user of the agent, or as root.' : 'Start it: capacloud-agent run.',
    });
  });
  say(options.json === true ? shownJson(answer) : statusText(answer as AgentStatus));
}

async function doctor(options: Options, parts: CommandParts): Promise<void> {
  const config = await loadConfig(options);
  const findings = await examine(parts.doctorParts(config));
  if (options.json === true) {
    say(shownJson({ ok: findings.every((finding) => finding.ok), checks: findings }));
  } else {
    for (const finding of findings) say(findingText(finding));
  }
  if (!findings.every((finding) => finding.ok)) process.exitCode = 1;
}

async function setup(options: Options): Promise<void> {
  const isTerminal = process.stdin.isTTY && process.stderr.isTTY && options.coordinator === undefined;
  const done = await setUp({
    configFile: resolve(typeof options.config === 'string' ? options.config : defaultConfigFile),
    flags: givenSettings(options),
    force: options.force === true,
    terminal: isTerminal ? { input: process.stdin, output: process.stderr } : undefined,
  });
  if (!done.ok) throw new OwnerMustAct(done.refusal);
  const { configFile, keyFile, keyCreated } = done.value;
  say(`configuration ${configFile}\nkey           ${keyFile} (${keyCreated ? 'new' : 'kept as it was'})`);
  say(
    `next          capacloud-agent doctor --config ${configFile}\n              capacloud-agent run --config ${configFile}`,
  );
}

/** Parses the command line and does what it says; the exit status is set on the process. */
export async function runCommandLine(argv: readonly string[], parts: CommandParts): Promise<void> {
  toleratePipesThatClose();
  const program = new Command('capacloud-agent')
    .description('Runs containers of the CapaCloud network on this machine and earns for it.')
    .version(parts.version)
    .showHelpAfterError();
  withSettings(program.command('setup').description('write configuration and key'))
    .option('--force', 'write over a configuration that is there')
    .action((options: Options) => setup(options));
  withSettings(program.command('run').description('run the agent')).action(async (options: Options) =>
    parts.run(await loadConfig(options)),
  );
  withSettings(program.command('status').description('show how the running agent is'))
    .option('--json', 'as JSON')
    .action((options: Options) => status(options));
  withSettings(program.command('doctor').description('check this machine and say how to mend it'))
    .option('--json', 'as JSON')
    .action((options: Options) => doctor(options, parts));
  program.exitOverride();
  for (const command of program.commands) command.exitOverride().showHelpAfterError();
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof Error && 'exitCode' in error && error.name === 'CommanderError') {
      process.exitCode = error.exitCode === 0 ? 0 : 2;
      return;
    }
    const failure = failureOf(error);
    process.stderr.write(failureText(failure));
    process.exitCode = failure.exitStatus;
  }
}
