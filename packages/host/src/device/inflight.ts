import type { Task } from '../scsi'

/** The live tasks of a device, in no order. Constant time, no allocation once it has grown. */
export class Inflight {
  private readonly tasks: Task[] = []
  private idle: (() => void)[] = []
  private readonly watched = new Map<Task, (() => void)[]>()

  get count(): number {
    return this.tasks.length
  }

  add(task: Task): void {
    task.slot = this.tasks.length
    this.tasks.push(task)
  }

  remove(task: Task): void {
    const last = this.tasks.pop()!
    if (last !== task) {
      this.tasks[task.slot] = last
      last.slot = task.slot
    }
    task.slot = -1
    if (this.watched.size) this.tell(task)
    if (this.tasks.length === 0 && this.idle.length) for (const fn of this.idle.splice(0)) fn()
  }

  has(task: Task): boolean {
    return task.slot >= 0 && this.tasks[task.slot] === task
  }

  private tell(task: Task): void {
    const all = this.watched.get(task)
    this.watched.delete(task)
    for (const fn of all ?? []) fn()
  }

  /** Resolves when this live task has ended. */
  gone(task: Task): Promise<void> {
    const others = this.watched.get(task)
    return new Promise((resolve) => void (others ? others.push(resolve) : this.watched.set(task, [resolve])))
  }

  at(i: number): Task {
    return this.tasks[i]!
  }

  filter(which: (task: Task) => boolean): Task[] {
    return this.tasks.filter(which)
  }

  /** Resolves when no task is live, at the latest after `deadlineMs`; tells whether it is so. */
  async drained(deadlineMs: number): Promise<boolean> {
    if (this.tasks.length === 0) return true
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<void>((r) => (timer = setTimeout(r, deadlineMs)))
    await Promise.race([new Promise<void>((r) => this.idle.push(r)), late])
    clearTimeout(timer)
    return this.tasks.length === 0
  }
}
