import { readOnlyTool, toolSuites, wholeTool } from '../lib/test-tool-report'

const unaligned = ['ALL.CompareAndWrite', 'ALL.WriteSame10', 'ALL.WriteSame16']
const reset = ['ALL.Sanitize.Reset']
const protectedLun = { lun: 'readOnly512', families: ['ALL.ReadOnly'] } as const
toolSuites(
  wholeTool(
    '512-byte blocks, thin', 'thin512', { lun: 'wide512', families: unaligned }, { lun: 'atomic', families: ['ALL.WriteAtomic16'] }, protectedLun,
    { lun: 'slow512', families: reset },
  ),
  wholeTool('512-byte blocks, thick', 'thick512', { lun: 'wideThick512', families: unaligned }, protectedLun, { lun: 'slowThick512', families: reset }),
  readOnlyTool('512-byte blocks, write protected', 'readOnly512'),
)
