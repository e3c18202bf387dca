// weft completion: scripts made from the commands and their options, so that they never differ from them.

import { type Command, type OptionSpecs, usageError } from '../command.js';
import { COMMON_OPTIONS } from '../options.js';

interface Described {
  readonly name: string;
  readonly summary: string;
  /** With their dashes. */
  readonly options: readonly string[];
  /** Words that may follow. */
  readonly words: readonly string[];
}

const WORDS: Readonly<Record<string, readonly string[]>> = {
  join: ['-'],
  show: ['dump'],
  path: ['ls', 'explain', 'pin', 'unpin', 'drain', 'undrain'],
  trust: ['add', 'rm', 'ls'],
  authority: ['init', 'sign', 'renew', 'install', 'revoke', 'ls'],
  completion: ['bash', 'zsh', 'fish'],
};

export const completion: Command = {
  help: `Usage: weft completion bash|zsh|fish

Prints a completion script:
  bash:  weft completion bash > /etc/bash_completion.d/weft
  zsh:   weft completion zsh > "\${fpath[1]}/_weft"
  fish:  weft completion fish > ~/.config/fish/completions/weft.fish
`,
  options: {},
  async run(context) {
    const [shell = ''] = context.arguments(1, 1, 'weft completion bash|zsh|fish');
    const write = WRITERS[shell];
    if (write === undefined) throw usageError(`no completion for '${shell}': bash, zsh or fish`);
    const commands = await Promise.all(
      context.commands.map(async ({ name, summary, load }): Promise<Described> => {
        const { options } = await load();
        return { name, summary, options: optionWords(options), words: WORDS[name] ?? [] };
      }),
    );
    context.write(write(commands));
  },
};

function optionWords(options: OptionSpecs): string[] {
  return Object.keys({ ...options, ...COMMON_OPTIONS }).map((name) => `--${name}`);
}

const WRITERS: Readonly<Record<string, (commands: readonly Described[]) => string>> = {
  bash: (commands) => `_weft() {
  local cur=\${COMP_WORDS[COMP_CWORD]}
  if [[ $COMP_CWORD -eq 1 ]]; then
    COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(' ')}" -- "$cur"))
    return
  fi
  case \${COMP_WORDS[1]} in
${commands
  .map(({ name, options, words }) => {
    const all = [...words, ...options].join(' ');
    return `    ${name}) COMPREPLY=($(compgen -W "${all}" -- "$cur")) ;;`;
  })
  .join('\n')}
  esac
}
complete -o default -F _weft weft
`,
  zsh: (commands) => `#compdef weft
_weft() {
  if (( CURRENT == 2 )); then
    local -a commands=(
${commands.map(({ name, summary }) => `      '${name}:${quote(summary)}'`).join('\n')}
    )
    _describe command commands
    return
  fi
  case $words[2] in
${commands
  .map(
    ({ name, options, words }) => `    ${name}) compadd -- ${[...words, ...options].join(' ')} ;;`,
  )
  .join('\n')}
  esac
}
_weft "$@"
`,
  fish: (commands) =>
    `complete -c weft -f\n${commands
      .flatMap(({ name, summary, options, words }) => [
        `complete -c weft -n __fish_use_subcommand -a ${name} -d '${quote(summary)}'`,
        ...words.map(
          (word) => `complete -c weft -n '__fish_seen_subcommand_from ${name}' -a '${word}'`,
        ),
        ...options.map(
          (option) =>
            `complete -c weft -n '__fish_seen_subcommand_from ${name}' -l ${option.slice(2)}`,
        ),
      ])
      .join('\n')}\n`,
};

/** Inside single quotes, and after zsh's colon. */
function quote(text: string): string {
  return text.replaceAll("'", '’').replaceAll(':', ',');
}
