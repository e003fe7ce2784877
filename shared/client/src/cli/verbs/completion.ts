import { Argument, type Command } from 'commander';
import type { Context } from '../context.ts';
import type { Runner } from './verb.ts';

const shells = ['bash', 'zsh', 'fish'] as const;
type Shell = (typeof shells)[number];

export function addCompletion(program: Command, runner: Runner): void {
  program
    .command('completion')
    .description('print a completion script, e.g. source <(capacloud completion bash)')
    .addArgument(new Argument('<shell>').choices(shells))
    .action(
      runner((context: Context, shell: Shell) => {
        context.terminal.out.write(script(shell, program));
        return Promise.resolve(undefined);
      }),
    );
}

interface VerbShape {
  readonly name: string;
  readonly description: string;
  readonly flags: readonly { readonly flag: string; readonly description: string }[];
  /** What its first argument is. */
  readonly takes: 'file' | 'id' | 'shell' | 'nothing';
}

function shapeOf(program: Command): readonly VerbShape[] {
  return program.commands.map((command) => ({
    name: command.name(),
    description: command.description(),
    flags: [...command.options, ...program.options].map((option) => ({
      flag: option.long ?? option.short ?? '',
      description: option.description,
    })),
    takes: takes(command.registeredArguments[0]?.name()),
  }));
}

function takes(argument = ''): VerbShape['takes'] {
  switch (argument) {
    case 'file':
    case 'shell':
      return argument;
    case 'id':
    case 'job':
      return 'id';
    default:
      return 'nothing';
  }
}

function script(shell: Shell, program: Command): string {
  const verbs = shapeOf(program);
  switch (shell) {
    case 'bash':
      return bashScript(verbs);
    case 'zsh':
      return zshScript(verbs);
    case 'fish':
      return fishScript(verbs);
  }
}

const listIds = 'capacloud ps --quiet 2>/dev/null';

function bashScript(verbs: readonly VerbShape[]): string {
  const cases = verbs.map(({ name, flags, takes: kind }) => {
    const values = { file: '', id: `$(${listIds})`, shell: shells.join(' '), nothing: '' }[kind];
    const words = `${flags.map(({ flag }) => flag).join(' ')} ${values}`.trim();
    const files = kind === 'file' ? ' -f' : '';
    return `    ${name}) COMPREPLY=($(compgen${files} -W "${words}" -- "$word")) ;;`;
  });
  return `# capacloud completion for bash
_capacloud() {
  local word=\${COMP_WORDS[COMP_CWORD]}
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${verbs.map(({ name }) => name).join(' ')}" -- "$word"))
    return
  fi
  case \${COMP_WORDS[1]} in
${cases.join('\n')}
  esac
}
complete -o filenames -F _capacloud capacloud
`;
}

function zshScript(verbs: readonly VerbShape[]): string {
  const quote = (text: string) => text.replace(/'/g, `'\\''`).replace(/[[\]:]/g, '\\$&');
  const named = verbs.map(({ name, description }) => `    '${name}:${quote(description)}'`);
  const cases = verbs.map(({ name, flags, takes: kind }) => {
    const options = flags.map(({ flag, description }) => `'${flag}[${quote(description)}]'`);
    const argument = {
      file: `'1:job file:_files'`,
      id: `'1:id:($(${listIds}))'`,
      shell: `'1:shell:(${shells.join(' ')})'`,
      nothing: '',
    }[kind];
    return `    ${name}) _arguments ${[...options, argument].join(' ')} ;;`;
  });
  return `#compdef capacloud
_capacloud() {
  local -a verbs=(
${named.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe verb verbs
    return
  fi
  local verb=$words[2]
  shift words
  (( CURRENT-- ))
  case $verb in
${cases.join('\n')}
  esac
}
compdef _capacloud capacloud
`;
}

function fishScript(verbs: readonly VerbShape[]): string {
  const quote = (text: string) => text.replace(/[\\']/g, '\\$&');
  const lines = verbs.flatMap(({ name, description, flags, takes: kind }) => {
    const within = `complete -c capacloud -n '__fish_seen_subcommand_from ${name}'`;
    const argument = {
      file: [`${within} -F`],
      id: [`${within} -f -a '(${listIds})'`],
      shell: [`${within} -f -a '${shells.join(' ')}'`],
      nothing: [`${within} -f`],
    }[kind];
    return [
      `complete -c capacloud -n __fish_use_subcommand -f -a ${name} -d '${quote(description)}'`,
      ...flags.map(({ flag, description: text }) => `${within} -l ${flag.slice(2)} -d '${quote(text)}'`),
      ...argument,
    ];
  });
  return `# capacloud completion for fish\n${lines.join('\n')}\n`;
}
