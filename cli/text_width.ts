/**
 * How many columns of a terminal a text takes: a character of East Asian scripts and most emoji take
 * two, what combines with the character before it takes none (Unicode Standard Annex 11).
 *
 * @module
 */

const segmenter = new Intl.Segmenter();

const WIDE =
  /^[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\u3000-\u303e\uff01-\uff60\uffe0-\uffe6]|\ufe0f/u;
const NO_WIDTH = /^[\p{Mn}\p{Me}\p{Cf}]+$/u;
/** The narrow forms of wide scripts. */
const HALF_WIDTH = /^[\uff61-\uffdc]/;

/** How many columns a text takes. */
export function textWidth(text: string): number {
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += widthOf(segment);
  return width;
}

/** As much of a text as goes into some columns; a cut is marked by "…". */
export function fitted(text: string, columns: number): string {
  if (textWidth(text) <= columns) return text;
  let [width, result] = [0, ""];
  for (const { segment } of segmenter.segment(text)) {
    width += widthOf(segment);
    if (width > columns - 1) break;
    result += segment;
  }
  return `${result}…`;
}

function widthOf(character: string): number {
  if (NO_WIDTH.test(character)) return 0;
  return WIDE.test(character) && !HALF_WIDTH.test(character) ? 2 : 1;
}
