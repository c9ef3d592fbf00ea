/**
 * Control messages in a row, against the CMSG_* macros of cmsg(3).
 *
 * @module
 */

import { assertEquals, assertThrows } from "@std/assert";
import {
  cmsghdr,
  type ControlMessage,
  controlSpace,
  decodeControl,
  encodeControl,
  SCM_PIDFD,
  SCM_RIGHTS,
  SOL_SOCKET,
} from "../../structs/socket.ts";
import { evaluate, hasCompiler, type Question } from "../support/c_compiler.ts";
import { needing } from "../support/skip.ts";

/** Messages whose data fill whole words, half of one, and nothing; the last one is not padded. */
const MESSAGES: ControlMessage[] = [
  { level: SOL_SOCKET, type: SCM_RIGHTS, data: new Uint8Array([1, 2, 3, 4]) },
  { level: -1, type: 0x7fff_ffff, data: new Uint8Array() },
  { level: 41, type: 7, data: new Uint8Array([5, 6, 7, 8, 9]) },
  { level: SOL_SOCKET, type: SCM_PIDFD, data: new Uint8Array([10, 11, 12, 13, 14, 15, 16, 17]) },
];

/** The same in C: how long it is, and each of its bytes. */
const IN_C = `
  #include <string.h>
  static unsigned char buffer[256];
  static void put(struct cmsghdr *head, int level, int type, const char *data, size_t length) {
    head->cmsg_level = level;
    head->cmsg_type = type;
    head->cmsg_len = CMSG_LEN(length);
    memcpy(CMSG_DATA(head), data, length);
  }
  static size_t length(void) {
    return CMSG_SPACE(4) + CMSG_SPACE(0) + CMSG_SPACE(5) + CMSG_SPACE(8);
  }
  static int byte(size_t i) {
    struct msghdr message = { .msg_control = buffer, .msg_controllen = length() };
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    put(head, SOL_SOCKET, SCM_RIGHTS, "\\1\\2\\3\\4", 4);
    put(head = CMSG_NXTHDR(&message, head), -1, 0x7fffffff, "", 0);
    put(head = CMSG_NXTHDR(&message, head), 41, 7, "\\5\\6\\7\\10\\11", 5);
    put(head = CMSG_NXTHDR(&message, head), SOL_SOCKET, 4, "\\12\\13\\14\\15\\16\\17\\20\\21", 8);
    return i < length() ? buffer[i] : -1;
  }
`;

/** The bytes of the messages as C puts them. */
async function bytesInC(): Promise<Uint8Array> {
  const length: Question = { expression: "length()" };
  const bytes = Array.from({ length: 256 }, (_, i) => [i, { expression: `byte(${i})` }]);
  const answers = await evaluate("sys/socket.h", IN_C, { length, ...Object.fromEntries(bytes) });
  return Uint8Array.from({ length: answers.length }, (_, i) => answers[i]);
}

Deno.test("controlSpace() counts a head and padded data for each message", () => {
  assertEquals(controlSpace(), 0);
  assertEquals([0, 1, 4, 8, 9, 12].map((length) => controlSpace(length)), [16, 24, 24, 24, 32, 32]);
  assertEquals(controlSpace(253 * 4), 1032);
  assertEquals(controlSpace(253 * 4, 12, 4), 1032 + 32 + 24);
});

Deno.test({
  ...needing("a C compiler", hasCompiler, "controlSpace() is CMSG_SPACE"),
  async fn() {
    const lengths = [...Array(40).keys(), 253 * 4, 65_535];
    const questions = lengths.map((length) => [length, { expression: `CMSG_SPACE(${length})` }]);
    const inC = await evaluate("sys/socket.h", "", Object.fromEntries(questions));
    const ours = lengths.map((length) => [length, controlSpace(length)]);
    assertEquals(inC, Object.fromEntries(ours));
  },
});

Deno.test("encodeControl() puts each message at a multiple of 8 bytes, padded with zeros", () => {
  assertEquals(
    [...encodeControl(MESSAGES.slice(2))],
    [
      ...[21, 0, 0, 0, 0, 0, 0, 0, 41, 0, 0, 0, 7, 0, 0, 0],
      ...[5, 6, 7, 8, 9, 0, 0, 0],
      ...[24, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0],
      ...[10, 11, 12, 13, 14, 15, 16, 17],
    ],
  );
  assertEquals(encodeControl([]).length, 0);
});

Deno.test({
  ...needing("a C compiler", hasCompiler, "encodeControl() puts messages where C's macros do"),
  async fn() {
    assertEquals(encodeControl(MESSAGES), await bytesInC());
  },
});

Deno.test({
  ...needing("a C compiler", hasCompiler, "decodeControl() takes apart what C's macros made"),
  async fn() {
    assertEquals(decodeControl(await bytesInC()), MESSAGES);
  },
});

Deno.test("decodeControl() takes apart what encodeControl() put together", () => {
  for (let count = 0; count <= MESSAGES.length; count++) {
    const messages = MESSAGES.slice(0, count);
    assertEquals(decodeControl(encodeControl(messages)), messages);
  }
});

Deno.test("decodeControl() takes the last message without the padding behind it", () => {
  const messages = MESSAGES.slice(0, 3);
  assertEquals(decodeControl(encodeControl(messages).subarray(0, -3)), messages);
});

Deno.test("decodeControl() gives of a message that is cut short what is there", () => {
  const bytes = encodeControl(MESSAGES);
  const [last] = MESSAGES.slice(-1);
  assertEquals(decodeControl(bytes.subarray(0, -6)), [
    ...MESSAGES.slice(0, -1),
    { ...last, data: last.data.subarray(0, 2) },
  ]);
  // Without its whole head, nothing can be told of it.
  assertEquals(decodeControl(bytes.subarray(0, -9)), MESSAGES.slice(0, -1));
});

Deno.test("decodeControl() copies the data", () => {
  const bytes = encodeControl(MESSAGES.slice(0, 1));
  const messages = decodeControl(bytes);
  bytes.fill(0);
  assertEquals(messages, MESSAGES.slice(0, 1));
});

Deno.test("decodeControl() refuses a length that can't be, instead of running on", () => {
  const good = encodeControl(MESSAGES.slice(0, 1));
  for (const length of [0, 1, cmsghdr.size - 1]) {
    const bad = cmsghdr.encode({ cmsg_len: BigInt(length), cmsg_level: 1, cmsg_type: 1 });
    assertThrows(
      () => decodeControl(new Uint8Array([...good, ...bad])),
      RangeError,
      `cmsghdr.cmsg_len: ${length} at ${good.length}`,
    );
  }
});

Deno.test("decodeControl() reads nothing beyond the buffer, however long a message says it is", () => {
  const head = cmsghdr.encode({ cmsg_len: 2n ** 64n - 1n, cmsg_level: 1, cmsg_type: 1 });
  const messages = decodeControl(new Uint8Array([...head, 1, 2]));
  assertEquals(messages, [{ level: 1, type: 1, data: new Uint8Array([1, 2]) }]);
});
