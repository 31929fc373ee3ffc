import { readOnlyTool, toolSuites, wholeTool } from '../lib/test-tool-report'

const unaligned = ['ALL.CompareAndWrite', 'ALL.WriteSame10', 'ALL.WriteSame16']
const reset = ['ALL.Sanitize.Reset']
const protectedLun = { lun: 'readOnly4096', families: ['ALL.ReadOnly'] } as const
toolSuites(
  wholeTool('4096-byte blocks, thin', 'thin4096', { lun: 'wide4096', families: unaligned }, protectedLun, { lun: 'slow4096', families: reset }),
  wholeTool('4096-byte blocks, thick', 'thick4096', { lun: 'wideThick4096', families: unaligned }, protectedLun, { lun: 'slowThick4096', families: reset }),
  readOnlyTool('4096-byte blocks, write protected', 'readOnly4096'),
)
