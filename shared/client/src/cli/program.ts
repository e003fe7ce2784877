import { Command } from 'commander';
import { type CommandError, OutputLost, usageError } from './command-error.ts';
import { Context, type GlobalOptions } from './context.ts';
import { examplesText } from './examples.ts';
import { reportError } from './report-error.ts';
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
import { addRm, addStorage } from './verbs/storage.ts';
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
    verbs: [
      addRun,
      addPlan,
      addValidate,
      addPs,
      addStatus,
      addWhy,
      addLogs,
      addWait,
      addCancel,
      addGet,
      addRm,
    ],
  },
  { title: 'Account:', verbs: [addLogin, addWhoami, addBalance, addStorage] },
  { title: 'Network:', verbs: [addNodes, addGpus, addMarket, addPrices, addTrades] },
  { title: 'Shell:', verbs: [addCompletion] },
];

const footer = `
Name a job by its id, by the first four or more characters of it, or by its
name, and a task by JOB/INDEX.

Exit status:
  0    done; from run and wait: every task succeeded
  N    from run and wait: the exit code of the first task that failed
  2    wrong usage, or a job file that is not valid
  3    from plan: nothing would run the job
  4    no API key, or one that is not good
  125  the platform, not the program of the job
  130  interrupted

Environment:
  CAPACLOUD_URL      address of the coordinator, where --url is not given
  CAPACLOUD_API_KEY  API key, where --key is not given
  CAPACLOUD_CA_FILE  certificates to trust beside the usual ones (PEM)
  HTTPS_PROXY        proxy for https addresses, except for those in NO_PROXY
  CAPACLOUD_DEBUG    1 shows where an unexpected error happened
  NO_COLOR           1 leaves colours out
Without these, address and key are those that login stored, in a file that
only you can read.

Start with: capacloud login --url URL, then capacloud run job.yaml`;

/** The command line. Parsing throws CommanderError, a verb whatever went wrong. */
export function buildProgram(parts: ProgramParts): Command {
  const { terminal } = parts;
  const { paint } = terminal.out;
  // Asked for before the options are parsed, when they are wrong.
  const isJsonWanted = (): boolean => program.opts<GlobalOptions>().json === true;
  const program = new Command('capacloud')
    .description("Run containers on other people's machines, and pay for what ran.")
    .version(parts.version, '-V, --version', 'print the version')
    .option('--url <url>', 'address of the coordinator')
    .option('--key <key>', 'API key (others on this machine can see it; prefer login or the environment)')
    .option('--json', 'print data as JSON; NDJSON where it streams')
    .addHelpText('after', footer)
    .addHelpText('afterAll', ({ command }) => examplesText(command.name()))
    .helpCommand(false)
    .helpOption('-h, --help', 'show this help')
    .showSuggestionAfterError()
    .exitOverride()
    .configureOutput({
      writeOut: terminal.out.write,
      writeErr: terminal.err.write,
      outputError: (text) => reportError(terminal.err, usageErrorOf(text), { json: isJsonWanted() }),
    })
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

/** `error: unknown command 'rnu'\n(Did you mean run?)` of Commander as an error of ours. */
function usageErrorOf(text: string): CommandError {
  const [first = '', second = ''] = text.trim().split('\n');
  const message = first.replace(/^error: /, '').replace(/\.$/, '');
  const hint = /^\((.*)\)$/.exec(second)?.[1] ?? 'Add --help to see how it is used.';
  return usageError(`${message.charAt(0).toUpperCase()}${message.slice(1)}.`, hint);
}
