import { TcmuError } from '@tcmu/host/handler'
import { DEBIAN_PACKAGES, LIBRADOS, LIBRBD, loadRbd, type NativeRbd } from '@tcmu/native/rbd'

/** librbd, found where the system has it. Throws E_RBD_LIBRARY. */
export function library(rados = LIBRADOS, rbd = LIBRBD): NativeRbd {
  const addon = loadRbd()
  const missing = addon.load(rados, rbd)
  if (missing === undefined) return addon
  throw new TcmuError('E_RBD_LIBRARY', `Ceph's library cannot be used: ${missing}; on Debian: apt-get install ${DEBIAN_PACKAGES.join(' ')}`, { missing })
}
