import { isBlocks } from '../handler/types'
import type { Lun, Result, Task } from '../scsi'
import { stage } from '../scsi/lun'
import { Status } from '../scsi/status'
import { conditionFor } from './admit'
import type { Attentions } from './attention'
import type { Backend } from './backend'
import type { DeviceHooks } from './hooks'

/** Who is asked for the answer to a command, in order (DESIGN §9); front ends and filters put themselves in between. */
export function tapChain(lun: Lun, { command }: DeviceHooks, backend: Backend, attentions: Attentions, generic: (task: Task) => Result): void {
  const { handler } = backend
  const condition = (task: Task): Status | undefined => conditionFor(lun, task, task.row)
  command.tap({ name: 'unit attention', stage: stage.attention }, (task) => attentions.report(task, condition))
  if (handler.handleCmd) {
    command.tap({ name: handler.subtype, stage: stage.owner }, (task) => {
      const result = handler.handleCmd!(backend.state, task, lun)
      return result === Status.NOT_HANDLED ? undefined : result
    })
  }
  if (isBlocks(handler)) command.tap({ name: 'generic', stage: stage.generic }, generic)
}
