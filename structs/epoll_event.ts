/**
 * `struct epoll_event` (epoll_event(3type), `<linux/eventpoll.h>`). On x86-64 it is packed, so that
 * 32-bit programs have the same layout. On arm64 its 64 bits of user data are aligned to 8.
 *
 * The user data hold the fd and the generation of its registration. The generation tells a late
 * event of a closed fd from an event of a new fd with the same number.
 *
 * @module
 */

import { struct } from "./codec.ts";
import { aligned, i32, u32 } from "./scalars.ts";

const fields = { events: u32, data_fd: aligned(8, i32), data_generation: i32 };

/** The layout on each architecture. */
export const epollEventOn = {
  x86_64: struct("epoll_event", fields, { packed: true }),
  aarch64: struct("epoll_event", fields),
};

/** There is something to read; on a pidfd: the process ended. Same value as poll(2)'s POLLIN. */
export const EPOLLIN = 0x1;
/** Always reported: the fd is in an error state. */
export const EPOLLERR = 0x8;
/** Always reported; on a pidfd: the process was reaped (Linux 6.9). Same value as POLLHUP. */
export const EPOLLHUP = 0x10;
/** Report a change once, not for as long as it lasts. */
export const EPOLLET = 1 << 31;

/** Something exceptional; on a file of cgroup2: its content has changed since it was read. */
export const EPOLLPRI = 0x2;
/** There is room to write. */
export const EPOLLOUT = 0x4;
/** The peer of a socket has closed its end, or its sending half. Same value as POLLRDHUP. */
export const EPOLLRDHUP = 0x2000;
