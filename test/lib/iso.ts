import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { type Lack, requires } from './requires'
import { runOk } from './run'

export const requiresIso = (): Lack => requires.command('genisoimage', 'genisoimage')
export const requiresXorriso = (): Lack => requires.command('xorriso', 'xorriso')

export type Files = Readonly<Record<string, Uint8Array | string>>

/** Put files below a folder. */
function plant(folder: string, files: Files): void {
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), content)
  }
}

/** Make an image of files with `genisoimage` or `xorriso -as mkisofs` and these arguments. */
export async function makeIso(path: string, files: Files, args: readonly string[], program: 'genisoimage' | 'xorriso' = 'genisoimage'): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tcmu-iso-'))
  try {
    plant(folder, files)
    await runOk(program, [...(program === 'xorriso' ? ['-as', 'mkisofs'] : []), '-quiet', ...args, '-o', path, folder])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** What `sha256sum` prints for these files, sorted by name. */
export const sums = (files: Files): string =>
  Object.keys(files).sort().map((name) => `${createHash('sha256').update(files[name]!).digest('hex')}  ./${name}\n`).join('')

/**
 * A boot sector (El Torito, no emulation): writes a line to the first serial port, then 10h to port 501h, which ends a QEMU that
 * has `isa-debug-exit` there.
 *
 *     xor ax,ax; mov ds,ax; mov si,text; cld
 *     next: lodsb; test al,al; jz end; mov ah,al; mov dx,3FDh
 *     wait: in al,dx; test al,20h; jz wait; mov al,ah; mov dx,3F8h; out dx,al; jmp next
 *     end:  mov dx,501h; mov al,10h; out dx,al
 *     halt: hlt; jmp halt
 */
export function bootSector(line: string): Buffer {
  const code = Buffer.from('31c08ed8be287cfcac84c0741288c4bafd03eca82074fb88e0baf803eeebe9ba0105b010eef4ebfd', 'hex')
  return Buffer.concat([code, Buffer.from(`${line}\r\n\0`, 'latin1')])
}
