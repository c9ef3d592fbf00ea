/**
 * Run in a machine: prints what it is, and what the library finds there, as one line of JSON.
 *
 * @module
 */

import { type Features, features } from "../../mod.ts";

/** What a machine says of itself. */
export interface About {
  readonly kernel: string;
  readonly architecture: string;
  readonly libc: string;
  readonly deno: string;
  readonly features: Features;
}

function libcVersion(): string {
  const libc = Deno.dlopen("libc.so.6", {
    gnu_get_libc_version: { parameters: [], result: "pointer" },
  });
  try {
    return Deno.UnsafePointerView.getCString(libc.symbols.gnu_get_libc_version()!);
  } finally {
    libc.close();
  }
}

if (import.meta.main) {
  const about: About = {
    kernel: Deno.osRelease(),
    architecture: Deno.build.arch,
    libc: libcVersion(),
    deno: Deno.version.deno,
    features: features(),
  };
  console.log(`about: ${JSON.stringify(about)}`);
}
