/**
 * The options of {@linkcode FdSocket} and {@linkcode FdListener}: one interface for each function.
 *
 * @module
 */

/** Options for {@linkcode FdSocket.pair} and {@linkcode FdSocket.listen}. */
export interface FdSocketOptions {
  /**
   * The type of the sockets: a stream of bytes, or separate messages (unix(7), SOCK_SEQPACKET). The
   * default is `"stream"`. Both ends must have the same type.
   */
  type?: "stream" | "seqpacket";
}

/** Options for {@linkcode FdSocket.connect}. */
export interface FdSocketConnectOptions extends FdSocketOptions {
  /** Ends the attempt early: it rejects with the signal's reason. */
  signal?: AbortSignal;
}

/** Options for {@linkcode FdSocket.send}. */
export interface FdSocketSendOptions {
  /**
   * Ends the attempt early: it rejects with the signal's reason. If a part of the data was already
   * sent, which can happen on a stream, the socket is closed.
   */
  signal?: AbortSignal;
}

/** Options for {@linkcode FdSocket.receive}. */
export interface FdSocketReceiveOptions {
  /** Ends the wait early: it rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Whether to get a handle on the process that sent the message; Linux 6.5. The kernel itself
   * identifies the sender, but only of messages that are sent after the first such call.
   */
  sender?: boolean;
}

/** Options for {@linkcode FdListener.accept}. */
export interface FdListenerAcceptOptions {
  /** Ends the wait early: it rejects with the signal's reason. */
  signal?: AbortSignal;
}
