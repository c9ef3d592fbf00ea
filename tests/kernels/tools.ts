/**
 * The commands that the host must have, and how to run them.
 *
 * @module
 */

/** What installs each of them on Debian. */
const PACKAGES: Readonly<Record<string, string>> = {
  "apt-get": "apt",
  "bash": "bash",
  "cpio": "cpio",
  "dpkg-deb": "dpkg",
  "git": "git",
  "npm": "npm",
  "qemu-system-aarch64": "qemu-system-arm",
  "qemu-system-x86_64": "qemu-system-x86",
  "tar": "tar",
};

/** An error that the user can do something about: its message is all there is to say. */
export class HostError extends Error {
  override name = "HostError";
}

/** @throws {HostError} If one is missing: it says how to install them all. */
export function requireTools(...commands: string[]): void {
  const missing = commands.filter((command) => !isInstalled(command));
  if (missing.length === 0) return;
  const packages = missing.map((command) => PACKAGES[command]);
  throw new HostError(
    `missing on this machine: ${missing.join(", ")}\n` +
      `install with: apt-get install --no-install-recommends ${packages.join(" ")}`,
  );
}

function isInstalled(command: string): boolean {
  const folders = (Deno.env.get("PATH") ?? "").split(":");
  return folders.some((folder) => exists(`${folder}/${command}`));
}

/** Runs a command that must end well, and returns its output. */
export async function run(
  command: string,
  args: readonly string[],
  { cwd, env, input }: { cwd?: string; env?: Record<string, string>; input?: string } = {},
): Promise<string> {
  const child = new Deno.Command(command, {
    args: [...args],
    cwd,
    env: { LC_ALL: "C.UTF-8", ...env },
    stdin: input === undefined ? "null" : "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const output = child.output();
  if (input !== undefined) {
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(input));
    await writer.close();
  }
  const { success, stdout, stderr } = await output;
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) {
    throw new HostError(`${command} ${args.join(" ")} failed:\n${text(stdout)}${text(stderr)}`);
  }
  return text(stdout);
}

/** Whether there is a file of that name. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

/**
 * Returns a file of the cache, which is made first if it isn't there: under another name, so
 * that what was left behind half done is never taken for it.
 */
export async function cached(
  path: string,
  make: (unfinished: string) => Promise<void>,
): Promise<string> {
  if (!exists(path)) {
    const unfinished = `${path}.unfinished`;
    await make(unfinished);
    await Deno.rename(unfinished, path);
  }
  return path;
}

/** Does something in a folder of its own, which is gone afterwards. */
export async function inTemporaryFolder<T>(use: (folder: string) => Promise<T>): Promise<T> {
  const folder = await Deno.makeTempDir({ prefix: "pidfd-kernels-" });
  try {
    return await use(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}
