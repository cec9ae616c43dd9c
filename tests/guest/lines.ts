/** Lines of a stream of bytes: of the guest's console, QEMU's control socket and the guest's requests. */

/** The lines, without their ends; the last one too if it has none. */
export async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() as string;
    for (const line of lines) yield line.replace(/\r+$/, "");
  }
  if (rest !== "") yield rest;
}
