/**
 * Links of the package's documents. In the repository they are relative, so that they work in a clone
 * and on the forge. In the package they are absolute, because the package has only some of the files.
 *
 * @module
 */

/** The repository's address, without a slash at its end. No other file has it. */
export const REPOSITORY = "https://github.com/OWNER/pidfd-util";

/** A Markdown link or picture: `](target)`. */
const LINK = /(!?)(\[[^\]]*\]\()([^)\s]+)(\))/g;

/** A document with absolute links, to the files as they are in one version. */
export function withAbsoluteLinks(text: string, version: string): string {
  return text.replace(LINK, (link, mark, before, target, after) => {
    if (isAbsolute(target)) return link;
    // A picture is shown from its file, and a file's page is not a picture.
    const view = mark === "!" ? "raw" : target.endsWith("/") ? "tree" : "blob";
    const path = target === "./" ? "" : `/${target.replace(/\/$/, "")}`;
    return `${mark}${before}${REPOSITORY}/${view}/v${version}${path}${after}`;
  });
}

/** The targets of a document's links: `[…](target)` and `[…]: target`. */
export function targetsOf(text: string): string[] {
  const prose = text.replace(/^```.*?^```$/gms, "");
  const inline = [...prose.matchAll(LINK)].map(([, , , target]) => target);
  const references = [...prose.matchAll(/^\[[^\]]+\]: (\S+)$/gm)].map(([, target]) => target);
  return [...inline, ...references];
}

/** Whether a link leads out of the repository, or to a heading of the same page. */
export function isAbsolute(target: string): boolean {
  return /^(https?:|#)/.test(target);
}
