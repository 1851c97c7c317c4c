import { type Command } from 'commander'
import { usage } from './failure.ts'
import { KIND_NAMES } from './kinds.ts'

const TAKES_KIND = ['get', 'describe', 'delete']
const ROUTERS = ['continuum', 'litellm']

/** What may follow a command: the words, by the command's path (`audit verify`, '' for none). */
type Words = ReadonlyMap<string, readonly string[]>

/** The script that a shell sources to complete `signalbox`. */
export function completionFor(shell: string, program: Command): string {
  const render = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined
  if (render) return render(wordsOf(program))
  const names = Object.keys(SHELLS).join(', ')
  throw usage(`there is no completion for ${JSON.stringify(shell)}`, `One of ${names}.`)
}

function wordsOf(program: Command): Words {
  const globals = optionsOf(program)
  const all = new Map<string, readonly string[]>()
  const visit = (command: Command, path: string) => {
    const below = command.commands.filter((one) => one.name() !== 'help')
    const argument = TAKES_KIND.includes(path) ? KIND_NAMES : path === 'import' ? ROUTERS : []
    const shells = path === 'completion' ? Object.keys(SHELLS) : []
    const own = path === '' ? [] : optionsOf(command)
    all.set(path, [...below.map((one) => one.name()), ...argument, ...shells, ...own, ...globals])
    for (const one of below) visit(one, path === '' ? one.name() : `${path} ${one.name()}`)
  }
  visit(program, '')
  return all
}

function optionsOf(command: Command): readonly string[] {
  return command.options.flatMap(({ long }) => (long ? [long] : []))
}

function pathsOf(words: Words): readonly string[] {
  return [...words.keys()].filter((path) => path !== '')
}

const SHELLS: Readonly<Record<string, (words: Words) => string>> = {
  bash: (words) => `# signalbox completion bash >> ~/.bashrc
_signalbox() {
  local at="" word words=""
  for word in "\${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    case "\${at:+$at }$word" in
      ${pathsOf(words).map(quoted).join('|')}) at="\${at:+$at }$word" ;;
    esac
  done
  case "$at" in
${cases(words)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _signalbox signalbox
`,
  zsh: (words) => `#compdef signalbox
# signalbox completion zsh > a folder of $fpath, as _signalbox
_signalbox() {
  local at="" word candidates=""
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "\${at:+$at }$word" in
      ${pathsOf(words).map(quoted).join('|')}) at="\${at:+$at }$word" ;;
    esac
  done
  case "$at" in
${cases(words, 'candidates')}
  esac
  compadd -- \${=candidates}
  _files
}
if [ "$funcstack[1]" = "_signalbox" ]; then _signalbox "$@"; else compdef _signalbox signalbox; fi
`,
  fish: (words) => `# signalbox completion fish > ~/.config/fish/completions/signalbox.fish
function __signalbox_at
  set -l at ""
  for word in (commandline -opc)[2..]
    switch (string trim "$at $word")
      case ${pathsOf(words).map(quoted).join(' ')}
        set at (string trim "$at $word")
    end
  end
  test "$at" = "$argv[1]"
end
${[...words].map(fishLine).join('\n')}
`,
}

function cases(words: Words, variable = 'words'): string {
  return [...words]
    .map(([path, names]) => `    ${quoted(path)}) ${variable}=${quoted(names.join(' '))} ;;`)
    .join('\n')
}

function fishLine([path, names]: readonly [string, readonly string[]]): string {
  return `complete -c signalbox -n '__signalbox_at ${quoted(path)}' -a ${quoted(names.join(' '))}`
}

/** Names of ours hold nothing that a shell would look at. */
function quoted(text: string): string {
  return `"${text}"`
}
