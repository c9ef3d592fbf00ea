/**
 * The measure "messages" for peers in JavaScript, whose sockets differ. See helpers/partner.c.
 *
 * In plain JavaScript, as Node.js runs it, too.
 */

const SIZE = 1024;

/**
 * How many messages a second make a round trip, are sent, and are received.
 *
 * @param connect Makes a connection, an object of:
 *   - send(bytes): resolves once the next may be sent
 *   - receive(count): resolves once so many bytes have come
 *   - close()
 * @returns {Promise<Record<string, number[]>>} One sample by the figure's name.
 */
export async function timeMessages(connect, trips, count) {
  const message = new Uint8Array(SIZE).fill(1);

  async function begin(what, bytes) {
    const connection = await connect();
    const request = new Uint8Array(9);
    request[0] = what.charCodeAt(0);
    new DataView(request.buffer).setBigUint64(1, BigInt(bytes), true);
    await connection.send(request);
    return connection;
  }

  async function time(what, bytes, times, run) {
    const connection = await begin(what, bytes);
    const start = performance.now();
    await run(connection);
    const rate = times / (performance.now() - start) * 1e3;
    connection.close();
    return rate;
  }

  const measures = {
    roundTrip: (times) =>
      time("e", 0, times, async (connection) => {
        for (let i = 0; i < times; i++) {
          const answer = connection.receive(SIZE);
          await connection.send(message);
          await answer;
        }
      }),
    send: (times) =>
      time("s", times * SIZE, times, async (connection) => {
        for (let i = 0; i < times; i++) await connection.send(message);
        await connection.receive(1);
      }),
    receive: (times) =>
      time("r", times * SIZE, times, (connection) => connection.receive(times * SIZE)),
  };
  /** @type {Record<string, number[]>} */
  const samples = {};
  for (const [name, measure] of Object.entries(measures)) {
    const times = name === "roundTrip" ? trips : count;
    await measure(times / 10);
    samples[name] = [await measure(times)];
  }
  await begin("q", 0);
  return samples;
}
