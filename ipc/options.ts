/**
 * The options of {@linkcode FdSocket} and {@linkcode FdListener}, an interface for each function.
 *
 * @module
 */

/** Options for {@linkcode FdSocket.pair} and {@linkcode FdSocket.listen}. */
export interface FdSocketOptions {
  /**
   * Whether the sockets carry a stream of bytes or keep messages apart (unix(7),
   * SOCK_SEQPACKET): `"stream"` unless told otherwise. Both ends must be of one type.
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
   * Ends the attempt early: it rejects with the signal's reason. If a part of the data is on
   * its way already, as it can be on a stream, the socket is closed.
   */
  signal?: AbortSignal;
}

/** Options for {@linkcode FdSocket.receive}. */
export interface FdSocketReceiveOptions {
  /** Ends the wait early: it rejects with the signal's reason. */
  signal?: AbortSignal;
  /**
   * Whether to get a handle of the process that sent the message, on the kernel's word; Linux
   * 6.5. The kernel notes it for messages that are sent from the first such call on.
   */
  sender?: boolean;
}

/** Options for {@linkcode FdListener.accept}. */
export interface FdListenerAcceptOptions {
  /** Ends the wait early: it rejects with the signal's reason. */
  signal?: AbortSignal;
}
