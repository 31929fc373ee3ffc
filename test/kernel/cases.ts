import { describeIf, type Lack, requires } from '../lib/requires'
import { type Errands, ErrandServer } from './errands'
import { requiresKernelVm, RUN_MS, Vm, type VmOptions } from './vm'

export interface KernelCases extends Omit<VmOptions, 'script'> {
  /** Bash that runs before the first case, in the same shell; what it starts and sets stays. */
  readonly setup?: string
  /** Title of a test, and bash that must not fail. Each runs in a subshell, in order, after a failure of an earlier one too. */
  readonly cases: Readonly<Record<string, string>>
  /** What is needed besides the machine. */
  readonly requires?: Lack
  /** What scripts have done on this machine, with `errand NAME WORD...`: what it returns is then in `$last`, and when it throws the case fails. */
  readonly errands?: Errands
  /** Runs before the machine starts, to make what `drives` name, or what scripts are told: variables of theirs. */
  readonly prepare?: () => Promise<Readonly<Record<string, number>> | void>
  /** What one case printed; for tests that look into it. */
  readonly look?: Readonly<Record<string, (printed: string) => void>>
}

const scriptOf = ({ setup = '', cases }: KernelCases, errands: ErrandServer, variables: Readonly<Record<string, number>>): string => [
  `errands=${errands.port}`,
  ...Object.entries(variables).map(([name, value]) => `${name}=${value}`),
  setup,
  'echo "begin 0"',
  ...Object.values(cases).map((body, i) => `(\n${body}\n)\necho "end ${i} $?"\necho "begin ${i + 1}"`),
].join('\n')

/** What case `index` printed, once it has ended. Throws with it when it failed. */
async function printedBy(vm: Vm, index: number): Promise<string> {
  await vm.said(`begin ${index}`)
  await vm.said(`begin ${index + 1}`)
  const text = `\n${vm.text}`
  const printed = text.slice(text.indexOf(`\nbegin ${index}\n`), text.indexOf(`\nbegin ${index + 1}\n`))
  if (!printed.endsWith(`\nend ${index} 0`)) throw new Error(`in the VM:${printed}`)
  return printed
}

/**
 * One boot of the virtual machine; each case is a test. `setup` usually is `serve`; the functions that scripts can call are those of
 * prelude.sh. Booting costs some ten seconds and starting the host some five: cases that belong together share a boot.
 */
export function kernelCases(title: string, all: KernelCases): void {
  const runMs = all.runMs ?? RUN_MS
  describeIf(requires.all(requiresKernelVm(), all.requires), title, () => {
    let vm: Vm | undefined
    let errands: ErrandServer | undefined
    beforeAll(async () => {
      const variables = (await all.prepare?.()) ?? {}
      errands = await ErrandServer.listen(all.errands ?? {})
      vm = new Vm({ name: title.replace(/[^A-Za-z0-9]+/g, '-'), ...all, runMs, script: scriptOf(all, errands, variables) })
    }, runMs)
    afterAll(async () => {
      await vm?.close()
      errands?.close()
    })
    Object.keys(all.cases).forEach((name, i) => {
      test(name, async () => {
        const printed = await printedBy(vm!, i)
        all.look?.[name]?.(printed)
      }, runMs)
    })
  })
}
