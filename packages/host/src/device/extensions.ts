import type { CommandRow, LogicalUnit, LunExtension, Nexus, PortIdentity } from '../scsi'

/** What front ends have added to a logical unit. */
export class Extensions {
  readonly rows: CommandRow[] = []
  private portOf: LunExtension['port']
  private unitsOf: LunExtension['units']

  add({ rows = [], port, units }: LunExtension): void {
    this.rows.push(...rows)
    this.portOf = port ?? this.portOf
    this.unitsOf = units ?? this.unitsOf
  }

  port(nexus: Nexus): PortIdentity {
    return this.portOf?.(nexus) ?? {}
  }

  /** Units a nexus can reach besides; a unit alone reaches itself. */
  neighbours(nexus: Nexus, self: LogicalUnit): Iterable<LogicalUnit> {
    return this.unitsOf?.(nexus) ?? [self]
  }
}
