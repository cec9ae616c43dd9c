/**
 * A registry of npm packages on this machine's loopback: packuments and tarballs, as `npm publish` would have made them.
 *
 * @module
 */

import { createHash } from "node:crypto";

/** A package: the members of its package.json beside name and version, and its other files. */
export interface NpmPackage {
  readonly name: string;
  readonly version: string;
  readonly json?: Readonly<Record<string, unknown>>;
  readonly files: Readonly<Record<string, string>>;
}

/** A registry that serves. */
export interface NpmRegistry {
  readonly url: string;
  /** Paths that were asked for. */
  readonly requests: string[];
  close(): Promise<void>;
}

/** Serves packages. */
export async function serveRegistry(packages: readonly NpmPackage[]): Promise<NpmRegistry> {
  const requests: string[] = [];
  const tarballs = new Map<string, Uint8Array<ArrayBuffer>>();
  for (const each of packages) tarballs.set(`/${each.name}/-/${each.version}.tgz`, await tarball(each));
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen() {} }, (request): Response => {
    const { origin, pathname } = new URL(request.url);
    const path = decodeURIComponent(pathname);
    requests.push(path);
    const bytes = tarballs.get(path);
    if (bytes !== undefined) return new Response(bytes);
    const versions = packages.filter(({ name }) => path === `/${name}`);
    if (versions.length === 0) return new Response("no such package", { status: 404 });
    return Response.json({
      name: versions[0].name,
      "dist-tags": { latest: versions[versions.length - 1].version },
      versions: Object.fromEntries(versions.map(({ name, version, json }) => {
        const file = `/${name}/-/${version}.tgz`;
        const hash = createHash("sha512").update(tarballs.get(file) as Uint8Array).digest("base64");
        const dist = { tarball: origin + file, integrity: `sha512-${hash}` };
        return [version, { name, version, ...json, dist }];
      })),
    });
  });
  return { url: `http://127.0.0.1:${server.addr.port}/`, requests, close: () => server.shutdown() };
}

async function tarball({ name, version, json, files }: NpmPackage): Promise<Uint8Array<ArrayBuffer>> {
  const all = { "package.json": JSON.stringify({ name, version, type: "module", ...json }), ...files };
  const blocks = Object.entries(all).flatMap(([path, text]) => tarEntry(`package/${path}`, text));
  const archive = new Blob([...blocks, new Uint8Array(1024)]).stream().pipeThrough(new CompressionStream("gzip"));
  return new Uint8Array(await new Response(archive).arrayBuffer());
}

/** A file in a tape archive (POSIX ustar): a header of 512 bytes, and the file filled up to whole blocks. */
function tarEntry(path: string, text: string): Uint8Array<ArrayBuffer>[] {
  const encode = (string: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(string);
  const body = encode(text);
  const header = new Uint8Array(512);
  const octal = (value: number, digits: number): Uint8Array => encode(value.toString(8).padStart(digits, "0"));
  header.set(encode(path), 0);
  header.set(octal(0o644, 7), 100); // mode
  header.set(octal(body.length, 11), 124); // size
  header.set(octal(0, 11), 136); // time
  header.set(encode("0ustar\u000000"), 156); // a plain file, in this format
  header.fill(32, 148, 156); // The checksum counts its own field as spaces.
  header.set(octal(header.reduce((sum, byte) => sum + byte, 0), 6), 148);
  header[154] = 0;
  return [header, body, new Uint8Array((512 - (body.length % 512)) % 512)];
}
