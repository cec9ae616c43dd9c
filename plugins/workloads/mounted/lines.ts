/**
 * Streams of lines.
 *
 * @module
 */

/** The lines of a stream, as they come. What comes after the last line's end is a line, too, if it is not empty. */
export async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string, void> {
  let unfinished = "";
  for await (const chunk of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (unfinished + chunk).split("\n");
    unfinished = lines.pop() ?? "";
    yield* lines;
  }
  if (unfinished !== "") yield unfinished;
}
