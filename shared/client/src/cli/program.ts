import { Command } from 'commander';
import { OutputLost } from './command-error.ts';
import { Context, type GlobalOptions } from './context.ts';
import type { Output, Terminal } from './terminal.ts';
import { addBalance, addLogin, addWhoami } from './verbs/account.ts';
import { addCompletion } from './verbs/completion.ts';
import { addGet } from './verbs/get.ts';
import { addGpus } from './verbs/gpus.ts';
import { addCancel, addPs, addWait } from './verbs/jobs.ts';
import { addLogs } from './verbs/logs.ts';
import { addMarket, addPrices, addTrades } from './verbs/market.ts';
import { addNodes } from './verbs/nodes.ts';
import { addPlan } from './verbs/plan.ts';
import { addStatus } from './verbs/status.ts';
import { addRun, addValidate } from './verbs/submission.ts';
import type { Runner } from './verbs/verb.ts';
import { addWhy } from './verbs/why.ts';

export interface ProgramParts {
  readonly version: string;
  readonly terminal: Terminal;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
  /** Aborts with `OutputLost`. */
  readonly outputLost: AbortSignal;
  /** Called with the exit status of the verb that ran. */
  readonly onStatus: (status: number) => void;
}

const groups = [
  {
    title: 'Jobs:',
    verbs: [addRun, addPlan, addValidate, addPs, addStatus, addWhy, addLogs, addWait, addCancel, addGet],
  },
  { title: 'Account:', verbs: [addLogin, addWhoami, addBalance] },
  { title: 'Network:', verbs: [addNodes, addGpus, addMarket, addPrices, addTrades] },
  { title: 'Shell:', verbs: [addCompletion] },
];

const footer = `
Exit status: the job's own from run and wait; 0 done, 2 wrong usage or job file, 4 not
authenticated, 125 the platform, 130 interrupted.
Environment: CAPACLOUD_URL, CAPACLOUD_API_KEY, CAPACLOUD_CA_FILE, HTTPS_PROXY, NO_PROXY, NO_COLOR.`;

/** The command line. Parsing throws CommanderError, a verb whatever went wrong. */
export function buildProgram(parts: ProgramParts): Command {
  const { terminal } = parts;
  const { paint } = terminal.out;
  const program = new Command('capacloud')
    .description("Run containers on other people's machines, and pay for what ran.")
    .version(parts.version, '-V, --version', 'print the version')
    .option('--url <url>', 'address of the coordinator')
    .option('--key <key>', 'API key (others on this machine can see it; prefer login or the environment)')
    .option('--json', 'print data as JSON; NDJSON where it streams')
    .addHelpText('after', footer)
    .helpCommand(false)
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({ writeOut: terminal.out.write, writeErr: terminal.err.write })
    .configureHelp({
      showGlobalOptions: true,
      styleTitle: (text) => paint('bold', text),
      styleSubcommandText: (text) => paint('cyan', text),
      styleOptionText: (text) => paint('cyan', text),
    });
  const runner: Runner =
    (act, { outlivesOutput = false } = {}) =>
    async (...parameters) => {
      const flags: GlobalOptions = program.opts();
      const signal = outlivesOutput ? parts.signal : AbortSignal.any([parts.signal, parts.outputLost]);
      const status = await act(new Context(terminal, flags, parts.env, signal), ...parameters);
      await terminal.out.settle();
      if (outlivesOutput) warnOfLoss(terminal.err, parts.outputLost);
      else parts.outputLost.throwIfAborted();
      parts.onStatus(status ?? 0);
    };
  for (const { title, verbs } of groups) {
    program.commandsGroup(title);
    for (const add of verbs) add(program, runner);
  }
  return program;
}

/** A verb that outlives its output ends as its work did; that a full disk swallowed the output is told all the same. */
function warnOfLoss(err: Output, { reason }: AbortSignal): void {
  if (reason instanceof OutputLost && reason.exitStatus !== 0)
    err.write(`warning: ${reason.message} (${reason.code})\n`);
}
