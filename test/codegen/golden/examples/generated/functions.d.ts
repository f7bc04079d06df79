// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.
// Use: const client = createClient<Functions>({ url }), from fpm-gateway/client.

export interface Functions {
  /**
   * Render an invoice as PDF
   *
   * VAT is computed once for each rate, on the sum of its lines, and rounded half up to a cent.
   */
  'create-pdf': {
    kind: 'binary';
    input: CreatePdfInput;
    output: Blob;
    errors: {
      'no-lines': CreatePdfErrorNoLines;
    };
  };
  /** Say hello */
  echo: {
    kind: 'json';
    input: EchoInput;
    output: EchoOutput;
    errors: {};
  };
  /** Say hello, from a worker that is bootstrapped once */
  'echo-resident': {
    kind: 'json';
    input: EchoResidentInput;
    output: EchoResidentOutput;
    errors: {};
  };
  /**
   * The days of a period as CSV
   *
   * One row for each day: date, weekday, ISO week, day of the year. Written while it is read: a thousand years need no more memory than a week.
   */
  'export-csv': {
    kind: 'bytes';
    input: ExportCsvInput;
    output: Uint8Array;
    errors: {};
  };
  /**
   * A contact form: an ordinary PHP script
   *
   * Open it in a browser. GET shows the form; POST checks it, thanks by a redirect and remembers the name.
   */
  'legacy-form': {
    kind: 'binary';
    input: LegacyFormInput;
    output: Blob;
    errors: {};
  };
  /**
   * What each of several baskets costs
   *
   * It only waits for other calls, so that one worker holds hundreds of them: see docs/fibers.md.
   */
  'quote-baskets': {
    kind: 'json';
    input: QuoteBasketsInput;
    output: QuoteBasketsOutput;
    errors: {};
  };
  /**
   * Resize and convert an image
   *
   * Reads JPEG, PNG, GIF and WebP; of an animation, the first frame (animated WebP is refused).
   * `inside` keeps the whole image within the limits and never enlarges it.
   * `cover` fills width × height, enlarging and cutting the edges as needed; with one side it is `inside`.
   */
  'resize-image': {
    kind: 'binary';
    input: ResizeImageInput;
    output: Blob;
    errors: {
      'not-an-image': ResizeImageErrorNotAnImage;
      'image-too-large': ResizeImageErrorImageTooLarge;
    };
  };
  /**
   * What a basket costs
   *
   * An application with a container, configuration files and a database: see docs/bootstrap.md.
   */
  'shop-quote': {
    kind: 'json';
    input: ShopQuoteInput;
    output: ShopQuoteOutput;
    errors: {
      'unknown-sku': ShopQuoteErrorUnknownSku;
    };
  };
  /**
   * Keep a worker waiting
   *
   * For trying timeouts, queues and cancellation: more than 5,000 ms ends as a timeout.
   */
  sleep: {
    kind: 'json';
    input: SleepInput;
    output: SleepOutput;
    errors: {};
  };
  /**
   * Follow a log file
   *
   * The last lines there are, then each new one as it is written, until the time limit or until the reader leaves.
   * The folder is LOG_DIR in the environment of its pool. A log that is rotated is followed into the new file.
   */
  'tail-log': {
    kind: 'stream';
    input: TailLogInput;
    output: TailLogItem;
    errors: {
      'no-such-log': TailLogErrorNoSuchLog;
    };
  };
  /**
   * Check a profile picture
   *
   * Tells what the picture is; keeps nothing. A picture that cannot be decoded to its end is refused.
   */
  'upload-avatar': {
    kind: 'json';
    input: UploadAvatarInput;
    output: UploadAvatarOutput;
    errors: {
      'broken-picture': UploadAvatarErrorBrokenPicture;
      'picture-too-small': UploadAvatarErrorPictureTooSmall;
      'picture-too-large': UploadAvatarErrorPictureTooLarge;
    };
  };
  /**
   * Count characters, words and sentences of a text
   *
   * Characters are Unicode code points: an accent or a skin tone added to another one counts for itself.
   * Each Han, Hiragana and Katakana character is a word, because no spaces separate words there.
   * A blank line ends a sentence; so does an abbreviation such as "Mr.".
   */
  'word-count': {
    kind: 'json';
    input: WordCountInput;
    output: WordCountOutput;
    errors: {
      'no-words': WordCountErrorNoWords;
    };
  };
}

export interface CreatePdfErrorNoLines {
  number: string;
}

export interface CreatePdfInput {
  number: string;
  issueDate: string;
  dueDate: string;
  seller: CreatePdfInputSeller;
  buyer: CreatePdfInputBuyer;
  lines: readonly CreatePdfInputLinesItem[];
  /** Currencies with two decimals */
  currency: 'EUR' | 'USD' | 'GBP' | 'CHF' | 'AUD' | 'CAD' | 'CZK' | 'DKK' | 'NOK' | 'PLN' | 'SEK';
  /** Such as how to pay */
  notes?: string;
}

export interface CreatePdfInputBuyer {
  name: string;
  /** One line each */
  address: readonly string[];
  vatId?: string;
}

export interface CreatePdfInputLinesItem {
  description: string;
  quantity: number;
  /** Without VAT; negative for a discount */
  unitPriceCents: number;
  vatPercent: number;
}

export interface CreatePdfInputSeller {
  name: string;
  /** One line each */
  address: readonly string[];
  vatId?: string;
}

export interface EchoInput {
  name: string;
}

export interface EchoOutput {
  hello: string;
}

export interface EchoResidentInput {
  name: string;
}

export interface EchoResidentOutput {
  hello: string;
}

export interface ExportCsvInput {
  from: string;
  to: string;
  /** @default "," */
  separator?: ',' | ';';
}

export interface LegacyFormInput {
  name?: string;
  email?: string;
  /** @default "question" */
  topic?: 'question' | 'order' | 'praise';
  /** @default 1 */
  copies?: number;
  message?: string;
  /** @default false */
  newsletter?: boolean;
  sent?: boolean;
}

export interface QuoteBasketsInput {
  baskets: readonly QuoteBasketsInputBasketsItem[];
}

export interface QuoteBasketsInputBasketsItem {
  items: readonly QuoteBasketsInputBasketsItemItemsItem[];
}

export interface QuoteBasketsInputBasketsItemItemsItem {
  sku: string;
  quantity: number;
}

export interface QuoteBasketsOutput {
  quotes: QuoteBasketsOutputQuotesItem[];
}

export interface QuoteBasketsOutputQuotesItem {
  totalCents: number | null;
  problem: string | null;
}

export interface ResizeImageErrorImageTooLarge {
  width: number;
  height: number;
  maxPixels: number;
}

export interface ResizeImageErrorNotAnImage {
  reason: string;
}

export interface ResizeImageInput {
  /** The file in base64: up to 6 MB of image */
  image: string;
  width?: number;
  height?: number;
  /** @default "inside" */
  fit?: 'inside' | 'cover';
  /** @default "webp" */
  format?: 'jpeg' | 'png' | 'webp';
  /**
   * For JPEG and WebP; PNG loses nothing
   *
   * @default 80
   */
  quality?: number;
}

export interface ShopQuoteErrorUnknownSku {
  sku: string;
}

export interface ShopQuoteInput {
  items: readonly ShopQuoteInputItemsItem[];
}

export interface ShopQuoteInputItemsItem {
  sku: string;
  quantity: number;
}

export interface ShopQuoteOutput {
  lines: ShopQuoteOutputLinesItem[];
  totalCents: number;
  currency: string;
}

export interface ShopQuoteOutputLinesItem {
  title: string;
  cents: number;
}

export interface SleepInput {
  ms: number;
}

export interface SleepOutput {
  sleptMs: number;
}

export interface TailLogErrorNoSuchLog {
  name: string;
}

export interface TailLogInput {
  name: string;
  /**
   * How many of the last lines come first
   *
   * @default 10
   */
  lines?: number;
  /**
   * False: end behind the lines there are
   *
   * @default true
   */
  follow?: boolean;
}

export interface TailLogItem {
  /** Without its end; longer ones are cut, broken UTF-8 becomes ? */
  line: string;
  /** When it was read */
  at: string;
}

export interface UploadAvatarErrorBrokenPicture {
  reason: string;
}

export interface UploadAvatarErrorPictureTooLarge {
  width: number;
  height: number;
  maxPixels: number;
}

export interface UploadAvatarErrorPictureTooSmall {
  width: number;
  height: number;
  minSide: number;
}

export interface UploadAvatarInput {
  nickname: string;
  avatar: Blob;
}

export interface UploadAvatarOutput {
  nickname: string;
  width: number;
  height: number;
  type: 'image/png' | 'image/jpeg' | 'image/webp';
  bytes: number;
  sha256: string;
  fileName: string;
}

export interface WordCountErrorNoWords {
  characters: number;
}

export interface WordCountInput {
  text: string;
  /**
   * How many of the most frequent words to list
   *
   * @default 10
   */
  top?: number;
}

export interface WordCountOutput {
  characters: number;
  words: number;
  /** Ignoring case */
  uniqueWords: number;
  sentences: number;
  lines: number;
  /** In characters */
  averageWordLength: number;
  /** At 200 words a minute */
  readingSeconds: number;
  /** Most frequent first, then in order of appearance; long words are cut to 100 code points */
  top: WordCountOutputTopItem[];
}

export interface WordCountOutputTopItem {
  word: string;
  count: number;
}
