/**
 * The table of libc's functions for UNIX sockets.
 *
 * @module
 */

import { libcWith } from "./libc.ts";

const MESSAGE = {
  parameters: [
    "i32", // int sockfd
    "buffer", // struct msghdr *msg
    "i32", // int flags
  ],
  result: "i32",
} as const;

const ADDRESS = {
  parameters: [
    "i32", // int sockfd
    "buffer", // const struct sockaddr *addr
    "u32", // socklen_t addrlen
  ],
  result: "i32",
} as const;

/** libc with every function for UNIX sockets, opened at first use. */
export const socketLibc = libcWith({
  // int socket(int domain, int type, int protocol);
  socket: {
    parameters: [
      "i32", // int domain
      "i32", // int type
      "i32", // int protocol
    ],
    result: "i32",
  },
  // int socketpair(int domain, int type, int protocol, int sv[2]);
  socketpair: {
    parameters: [
      "i32", // int domain
      "i32", // int type
      "i32", // int protocol
      "buffer", // int sv[2]
    ],
    result: "i32",
  },
  // int bind(int sockfd, const struct sockaddr *addr, socklen_t addrlen);
  bind: ADDRESS,
  // int connect(int sockfd, const struct sockaddr *addr, socklen_t addrlen);
  connect: ADDRESS,
  // int listen(int sockfd, int backlog);
  listen: {
    parameters: [
      "i32", // int sockfd
      "i32", // int backlog
    ],
    result: "i32",
  },
  // int accept4(int sockfd, struct sockaddr *addr, socklen_t *addrlen, int flags);
  accept4: {
    parameters: [
      "i32", // int sockfd
      "buffer", // struct sockaddr *addr, or NULL
      "buffer", // socklen_t *addrlen, or NULL
      "i32", // int flags
    ],
    result: "i32",
  },
  // ssize_t send(int sockfd, const void *buf, size_t len, int flags);
  send: {
    parameters: [
      "i32", // int sockfd
      "buffer", // const void *buf
      "usize", // size_t len
      "i32", // int flags
    ],
    result: "i32",
  },
  // ssize_t sendmsg(int sockfd, const struct msghdr *msg, int flags);
  sendmsg: MESSAGE,
  // ssize_t recvmsg(int sockfd, struct msghdr *msg, int flags);
  recvmsg: MESSAGE,
  // int getsockopt(int sockfd, int level, int optname, void *optval, socklen_t *optlen);
  getsockopt: {
    parameters: [
      "i32", // int sockfd
      "i32", // int level
      "i32", // int optname
      "buffer", // void *optval
      "buffer", // socklen_t *optlen
    ],
    result: "i32",
  },
  // int setsockopt(int sockfd, int level, int optname, const void *optval, socklen_t optlen);
  setsockopt: {
    parameters: [
      "i32", // int sockfd
      "i32", // int level
      "i32", // int optname
      "buffer", // const void *optval
      "u32", // socklen_t optlen
    ],
    result: "i32",
  },
  // int shutdown(int sockfd, int how);
  shutdown: {
    parameters: [
      "i32", // int sockfd
      "i32", // int how
    ],
    result: "i32",
  },
});
