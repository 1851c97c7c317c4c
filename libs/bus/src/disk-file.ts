import { createHash } from 'node:crypto'
import { type FileHandle, mkdir, open, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'

const FILE_MODE = 0o600

/**
 * Makes a file whole or not at all: written under another name, fsync, rename, fsync of the
 * directory. What an interrupted write leaves is overwritten by the next one; one that fails leaves
 * nothing, as the disk may be full of it.
 */
export async function writeWhole(
  dir: string,
  names: { readonly temporary: string; readonly name: string },
  write: (file: FileHandle) => Promise<void>,
): Promise<void> {
  await mkdir(dir, { recursive: true })
  const temporary = join(dir, names.temporary)
  const file = await open(temporary, 'w', FILE_MODE)
  try {
    await write(file)
    await file.sync()
  } catch (error) {
    await unlink(temporary).catch(() => {})
    throw error
  } finally {
    await file.close()
  }
  await rename(temporary, join(dir, names.name))
  await syncDirectory(dir)
}

/** Without it a rename may be lost with the power. */
async function syncDirectory(dir: string): Promise<void> {
  const handle = await open(dir, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

export function sumOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

export function messageOf(error: unknown): string {
  return (error as Error | null)?.message ?? String(error)
}
