/** A file that came with a call: in memory while small, on disk past a limit. PHP gets it as `UploadedFile` or in `$_FILES`. */

/** Where the bytes lie: in memory, or in a file that its spool removes when the call is over. */
export type UploadContent =
  | { readonly kind: 'memory'; readonly bytes: Buffer }
  | { readonly kind: 'disk'; readonly path: string };

export class Upload {
  /** As the caller named it, without folders and control characters: for people, never for paths. */
  readonly name: string;
  /** Essence in lower case, as its first bytes prove it; as the caller says where bytes prove nothing (text, CSV …). */
  readonly mediaType: string;
  /** Bytes. */
  readonly size: number;
  readonly content: UploadContent;

  constructor(name: string, mediaType: string, size: number, content: UploadContent) {
    this.name = name;
    this.mediaType = mediaType;
    this.size = size;
    this.content = content;
  }
}

/** What a contract allows a file to be. */
export interface FileRules {
  readonly maxBytes: number;
  /** Essences such as `image/png`, or families such as `image/*`. */
  readonly mediaTypes: readonly string[];
}

/** Whether a media type is one of these, or of one of these families. */
export const isMediaTypeIn = (mediaType: string, allowed: readonly string[]): boolean =>
  allowed.some((type) =>
    type.endsWith('/*') ? type === '*/*' || mediaType.startsWith(type.slice(0, -1)) : type === mediaType,
  );

/** The keyword in a contract's JSON Schema that tells a file field from text: its value is `FileRules`. */
export const FILE_KEYWORD = 'x-fpm-gateway-file';
