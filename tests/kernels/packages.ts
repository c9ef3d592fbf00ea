/**
 * Debian packages of any suite and architecture, from the mirror that this machine uses itself.
 * Nothing is installed: apt has folders of its own for this, with an empty list of what is.
 *
 * @module
 */

import type { Architecture } from "./machines.ts";
import { exists, HostError, inTemporaryFolder, run } from "./tools.ts";

const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

/** The packages of a suite for an architecture. */
export class Suite {
  readonly #options: string[];
  readonly #architecture: Architecture;

  private constructor(folder: string, architecture: Architecture) {
    this.#architecture = architecture;
    this.#options = Object.entries({
      "APT::Architecture": architecture,
      "APT::Architectures": architecture,
      "APT::Get::AllowUnauthenticated": "false",
      // Otherwise apt, started by root, changes to a user who can't read these folders.
      "APT::Sandbox::User": "",
      "Acquire::Languages": "none",
      "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
      "Dir::Cache": folder,
      "Dir::Etc::preferences": "/dev/null",
      "Dir::Etc::preferencesparts": `${folder}/empty`,
      "Dir::Etc::sourcelist": `${folder}/sources.list`,
      "Dir::Etc::sourceparts": `${folder}/empty`,
      "Dir::State": folder,
      "Dir::State::lists": `${folder}/lists`,
      "Dir::State::status": `${folder}/status`,
      "Debug::NoLocking": "true",
    }).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  }

  /** Fetches the suite's list of packages. */
  static async open(cache: string, suite: string, architecture: Architecture): Promise<Suite> {
    const folder = `${cache}/apt/${suite}-${architecture}`;
    if (!exists(KEYRING)) {
      throw new HostError(
        `missing: ${KEYRING}\ninstall with: apt-get install debian-archive-keyring`,
      );
    }
    for (const name of ["archives/partial", "lists/partial", "empty"]) {
      await Deno.mkdir(`${folder}/${name}`, { recursive: true });
    }
    await Deno.writeTextFile(`${folder}/status`, "");
    const source = `deb [signed-by=${KEYRING}] ${await mirror()} ${suite} main\n`;
    await Deno.writeTextFile(`${folder}/sources.list`, source);
    const opened = new Suite(folder, architecture);
    await run("apt-get", [...opened.#options, "update"]);
    return opened;
  }

  /** The packages that have the kernel for virtual machines, which needs the fewest modules. */
  async kernelPackages(): Promise<string[]> {
    const found = [`linux-image-cloud-${this.#architecture}`];
    // The array grows while it is gone through: one names the next, and the last has the image.
    for (const name of found) {
      const text = await run("apt-cache", [...this.#options, "depends", name]);
      const needed = [...text.matchAll(/^ *Depends: (linux-(?:image|binary)-\S+)$/gm)];
      found.push(...needed.map(([, name]) => name).filter((name) => !found.includes(name)));
    }
    return found;
  }

  /** Some packages and all that they need. */
  async withDependencies(names: readonly string[]): Promise<string[]> {
    const args = ["--simulate", "--no-install-recommends", "install", ...names];
    const text = await run("apt-get", [...this.#options, ...args]);
    return [...text.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name);
  }

  /** Unpacks packages into a folder, all but what is excluded by patterns of tar. */
  async unpack(
    names: readonly string[],
    folder: string,
    exclude: readonly string[] = [],
  ): Promise<void> {
    const excluded = exclude.map((pattern) => `--exclude='${pattern}'`).join(" ");
    const unpack = 'for archive in *.deb; do dpkg-deb --fsys-tarfile "$archive" | ' +
      `tar --extract --keep-directory-symlink --no-same-owner ${excluded} --directory "$0" ` +
      "|| exit; done";
    await inTemporaryFolder(async (archives) => {
      await run("apt-get", [...this.#options, "download", ...names], { cwd: archives });
      await run("bash", ["-o", "pipefail", "-c", unpack, folder], { cwd: archives });
    });
  }
}

/** Where this machine gets its Debian packages from. */
async function mirror(): Promise<string> {
  const text = await run("apt-get", [
    "indextargets",
    "--format",
    "$(ORIGIN)|$(LABEL)|$(REPO_URI)",
    "Created-By: Packages",
  ]);
  const [uri] = text.split("\n").flatMap((line) => {
    const [origin, label, uri] = line.split("|");
    return origin === "Debian" && label === "Debian" ? [uri] : [];
  });
  if (uri === undefined) {
    throw new HostError("apt knows no Debian mirror on this machine: run apt-get update first");
  }
  return uri;
}
