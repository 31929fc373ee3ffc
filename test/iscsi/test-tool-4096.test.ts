import { readOnlyTool, wholeTool } from '../lib/test-tool-report'

const unaligned = ['ALL.CompareAndWrite', 'ALL.WriteSame10', 'ALL.WriteSame16']
const protectedLun = { lun: 'readOnly4096', families: ['ALL.ReadOnly'] } as const
wholeTool('4096-byte blocks, thin', 'thin4096', { lun: 'wide4096', families: unaligned }, protectedLun, { lun: 'slow4096', families: ['ALL.Sanitize.Reset'] })
wholeTool('4096-byte blocks, thick', 'thick4096', { lun: 'wideThick4096', families: unaligned }, protectedLun, { lun: 'slowThick4096', families: ['ALL.Sanitize.Reset'] })
readOnlyTool('4096-byte blocks, write protected', 'readOnly4096')
