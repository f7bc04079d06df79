/** What a file is, by its first bytes: the caller's word counts only where bytes prove nothing. */

/** Enough to see through the beginning of an archive (office files are zips). */
export const SAMPLE_BYTES = 65_536;

const UNKNOWN = 'application/octet-stream';
const ESSENCE = /^[a-z0-9!#$&^_.+-]{1,127}\/[a-z0-9!#$&^_.+-]{1,127}$/;

const essence = (mediaType: string): string => mediaType.split(';', 1)[0]?.trim().toLowerCase() ?? '';

/** No bytes that text has no use for. A sample may end within a character. */
const isText = (sample: Buffer): boolean => {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(sample, { stream: true });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what text has no use for
    return !/[\0-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]/.test(text);
  } catch {
    return false;
  }
};

/** `BMW;3` is no bitmap and `MZ` no program: the magic numbers of such types are two letters long. */
const isBinaryOnly = (mediaType: string): boolean =>
  /^(?:image|audio|video|font)\//.test(mediaType) || mediaType === 'application/x-msdownload';

/**
 * The media type that may be believed: the one the bytes prove; the declared one if bytes of such a type would prove
 * nothing (text, CSV, JSON …); else `application/octet-stream`.
 */
export const provenMediaType = async (sample: Buffer, declared: string | undefined): Promise<string> => {
  // On demand: it costs 50 ms and 10 MB, and most gateways take no files.
  const { fileTypeFromBuffer, supportedMimeTypes } = await import('file-type');
  const said = essence(declared ?? '');
  const found = await fileTypeFromBuffer(sample);
  const proven = found === undefined ? undefined : essence(found.mime);
  // An SVG or Atom file that begins with <?xml proves to be XML, which it says of itself.
  if (proven === 'application/xml' && /^[^/]+\/(?:.+\+)?xml$/.test(said) && ESSENCE.test(said)) return said;
  if (proven !== undefined && !(isBinaryOnly(proven) && isText(sample))) return proven;
  const provable = [...supportedMimeTypes].some((type) => essence(type) === said);
  return ESSENCE.test(said) && !provable ? said : UNKNOWN;
};
