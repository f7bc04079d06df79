// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.
// Use: const client = createClient<Functions>({ url }), from fpm-gateway/client.

export interface Functions {
  ambiguous: {
    kind: 'json';
    input: AmbiguousInput;
    output: number;
    errors: {};
  };
  /** What has no class: arrays and scalars */
  anything: {
    kind: 'json';
    input: AnythingInput;
    output: AnythingOutput;
    errors: {};
  };
  changed: {
    kind: 'json';
    input: ChangedInput;
    output: ChangedOutput;
    errors: {};
  };
  choices: {
    kind: 'json';
    input: ChoicesInput;
    output: ChoicesOutput;
    errors: {};
  };
  collections: {
    kind: 'json';
    input: CollectionsInput;
    output: CollectionsOutput;
    errors: {};
  };
  count: {
    kind: 'stream';
    input: unknown;
    output: number;
    errors: {};
  };
  dates: {
    kind: 'json';
    input: DatesInput;
    output: DatesOutput;
    errors: {};
  };
  either: {
    kind: 'json';
    input: EitherInputA | EitherInputB;
    output: EitherOutputA | EitherOutputB | null;
    errors: {};
  };
  keywords: {
    kind: 'json';
    input: KeywordsInput;
    output: List[];
    errors: {};
  };
  names: {
    kind: 'json';
    input: NamesInput;
    output: NamesOutput;
    errors: {};
  };
  numbered: {
    kind: 'json';
    input: NumberedInput;
    output: NumberedOutput;
    errors: {};
  };
  /**
   * Types that functions share
   *
   * Money is one class, whoever uses it.
   */
  order: {
    kind: 'json';
    input: OrderInput;
    output: OrderOutput;
    errors: {
      'sold-out': OrderErrorSoldOut;
      'too-many': number;
      gone: Money[];
    };
  };
  /** Input and output are no objects */
  plain: {
    kind: 'json';
    input: readonly string[];
    output: { [key: string]: number };
    errors: {};
  };
  presence: {
    kind: 'json';
    input: PresenceInput;
    output: PresenceOutput;
    errors: {};
  };
  price: {
    kind: 'json';
    input: MoneyInput;
    output: Money[];
    errors: {};
  };
  recursive: {
    kind: 'json';
    input: RecursiveInput;
    output: RecursiveOutput;
    errors: {};
  };
  /** Values of one kind */
  scalars: {
    kind: 'json';
    input: ScalarsInput;
    output: ScalarsOutput;
    errors: {};
  };
  'shop/list.php': {
    kind: 'binary';
    input: ShopInput;
    output: Blob;
    errors: {};
  };
  'shop/admin/orders.php': {
    kind: 'binary';
    input: ShopInput;
    output: Blob;
    errors: {};
  };
  store: {
    kind: 'bytes';
    input: Blob;
    output: Uint8Array;
    errors: {};
  };
  unions: {
    kind: 'json';
    input: UnionsInput;
    output: UnionsOutput;
    errors: {};
  };
  upload: {
    kind: 'binary';
    input: UploadInput;
    output: Blob;
    errors: {};
  };
  watch: {
    kind: 'stream';
    input: WatchInput;
    output: WatchItem;
    errors: {
      'no-such-log': WatchErrorNoSuchLog;
    };
  };
}

export interface AmbiguousInput {
  listOrMap?: readonly number[] | { [key: string]: number };
  fullListOrMap?: readonly number[] | { [key: string]: number };
  tree?: AmbiguousInputTree;
}

export type AmbiguousInputTree = string | readonly AmbiguousInputTree[] | { [key: string]: AmbiguousInputTree };

export interface AnythingInput {
  json: AnythingInputJson;
  any: unknown;
  both: { [key: string]: number };
}

export type AnythingInputJson = string | number | boolean | readonly AnythingInputJson[] | { [key: string]: AnythingInputJson } | null;

export interface AnythingOutput {
  json: AnythingOutputJson;
  any: unknown;
  both: { [key: string]: number };
}

export type AnythingOutputJson = string | number | boolean | AnythingOutputJson[] | { [key: string]: AnythingOutputJson } | null;

export type BlobType = 'a' | 'b';

export interface ChangedInput {
  flag: string;
  /** @default 1 */
  page?: number;
  trimmed: string;
  key?: string;
}

export interface ChangedOutput {
  length: unknown;
  on: boolean;
}

export interface ChoicesInput {
  level: 'debug' | 'info' | 'warn';
  sign: '<' | '<=' | '>' | '>=' | '';
  type: 'application/pdf' | 'image/png' | 'class' | '2x' | 'a-b' | 'a b' | 'Ünïcode';
  code: 200 | 410 | -1;
  maybe: 'yes' | 'no' | null;
  several: readonly ('r' | 'w' | 'x')[];
  byName: { [key: string]: 'on' | 'off' };
}

export interface ChoicesOutput {
  level: 'debug' | 'info' | 'warn';
  sign: '<' | '<=' | '>' | '>=' | '';
  type: 'application/pdf' | 'image/png' | 'class' | '2x' | 'a-b' | 'a b' | 'Ünïcode';
  code: 200 | 410 | -1;
  maybe: 'yes' | 'no' | null;
  several: ('r' | 'w' | 'x')[];
  byName: { [key: string]: 'on' | 'off' };
}

export interface CollectionsInput {
  texts: readonly string[];
  some: readonly number[];
  items: readonly CollectionsInputItemsItem[];
  grid: readonly (readonly CollectionsInputGridItemItem[])[];
  maybes: readonly (CollectionsInputMaybesItem | null)[];
  numbers: { [key: string]: number };
  byName: { [key: string]: CollectionsInputByNameValue };
  nested: { [key: string]: { [key: string]: number } };
  lists: { [key: string]: readonly CollectionsInputListsValueItem[] };
  maps: readonly { [key: string]: number }[];
  sides: CollectionsInputSides;
  some_sides: CollectionsInputSomeSides;
  pair: readonly [string, number];
  rest: readonly [string, ...number[]];
  openPair: readonly [string, number?];
  itemPair: readonly [number, CollectionsInputItemPairItem2, readonly CollectionsInputItemPairItem3Item[]];
  itemRest: readonly [number, ...CollectionsInputItemRestRest[]];
  loose: CollectionsInputLoose;
  caught: CollectionsInputCaught;
  caughtItems: CollectionsInputCaughtItems;
  empty: CollectionsInputEmpty;
  onlyOptional: CollectionsInputOnlyOptional;
  anyMap: { [key: string]: unknown };
}

export interface CollectionsInputByNameValue {
  name: string;
  tags: readonly string[];
}

export interface CollectionsInputCaught {
  a: string;
  additional?: number;
  [key: string]: number | string | undefined;
}

export interface CollectionsInputCaughtItems {
  a: string;
  [key: string]: CollectionsInputCaughtItemsExtra | string;
}

export interface CollectionsInputCaughtItemsExtra {
  name: string;
  tags: readonly string[];
}

export interface CollectionsInputEmpty {}

export interface CollectionsInputGridItemItem {
  name: string;
  tags: readonly string[];
}

export interface CollectionsInputItemPairItem2 {
  name: string;
  tags: readonly string[];
}

export interface CollectionsInputItemPairItem3Item {
  name: string;
  tags: readonly string[];
}

export interface CollectionsInputItemRestRest {
  name: string;
  tags: readonly string[];
}

export interface CollectionsInputItemsItem {
  name: string;
  tags: readonly string[];
}

export interface CollectionsInputListsValueItem {
  name: string;
  tags: readonly string[];
}

export interface CollectionsInputLoose {
  a: string;
  [key: string]: unknown;
}

export interface CollectionsInputMaybesItem {
  name: string;
  tags: readonly string[];
}

export interface CollectionsInputOnlyOptional {
  a?: number;
}

export interface CollectionsInputSides {
  left: number;
  right: number;
}

export interface CollectionsInputSomeSides {
  left?: number;
  right?: number;
}

export interface CollectionsOutput {
  texts: string[];
  some: number[];
  items: CollectionsOutputItemsItem[];
  grid: CollectionsOutputGridItemItem[][];
  maybes: (CollectionsOutputMaybesItem | null)[];
  numbers: { [key: string]: number };
  byName: { [key: string]: CollectionsOutputByNameValue };
  nested: { [key: string]: { [key: string]: number } };
  lists: { [key: string]: CollectionsOutputListsValueItem[] };
  maps: { [key: string]: number }[];
  sides: CollectionsOutputSides;
  some_sides: CollectionsOutputSomeSides;
  pair: [string, number];
  rest: [string, ...number[]];
  openPair: [string, number?];
  itemPair: [number, CollectionsOutputItemPairItem2, CollectionsOutputItemPairItem3Item[]];
  itemRest: [number, ...CollectionsOutputItemRestRest[]];
  loose: CollectionsOutputLoose;
  caught: CollectionsOutputCaught;
  caughtItems: CollectionsOutputCaughtItems;
  empty: CollectionsOutputEmpty;
  onlyOptional: CollectionsOutputOnlyOptional;
  anyMap: { [key: string]: unknown };
}

export interface CollectionsOutputByNameValue {
  name: string;
  tags: string[];
}

export interface CollectionsOutputCaught {
  a: string;
  additional?: number;
  [key: string]: number | string | undefined;
}

export interface CollectionsOutputCaughtItems {
  a: string;
  [key: string]: CollectionsOutputCaughtItemsExtra | string;
}

export interface CollectionsOutputCaughtItemsExtra {
  name: string;
  tags: string[];
}

export interface CollectionsOutputEmpty {}

export interface CollectionsOutputGridItemItem {
  name: string;
  tags: string[];
}

export interface CollectionsOutputItemPairItem2 {
  name: string;
  tags: string[];
}

export interface CollectionsOutputItemPairItem3Item {
  name: string;
  tags: string[];
}

export interface CollectionsOutputItemRestRest {
  name: string;
  tags: string[];
}

export interface CollectionsOutputItemsItem {
  name: string;
  tags: string[];
}

export interface CollectionsOutputListsValueItem {
  name: string;
  tags: string[];
}

export interface CollectionsOutputLoose {
  a: string;
  [key: string]: unknown;
}

export interface CollectionsOutputMaybesItem {
  name: string;
  tags: string[];
}

export interface CollectionsOutputOnlyOptional {
  a?: number;
}

export interface CollectionsOutputSides {
  left: number;
  right: number;
}

export interface CollectionsOutputSomeSides {
  left?: number;
  right?: number;
}

export interface DatesInput {
  day: string;
  minute: string;
  second: string;
  /** As JavaScript writes it */
  milli: string;
  micro: string;
  /** Any number of decimals: a text */
  any: string;
  local: string;
  time: string;
  maybe: string | null;
  left?: string;
  either?: string | null;
  days: readonly string[];
  byName: { [key: string]: string };
  dayOrNumber: string | number;
  dayOrText: string;
  span: readonly [string, string | null];
}

export interface DatesOutput {
  day: string;
  minute: string;
  second: string;
  /** As JavaScript writes it */
  milli: string;
  micro: string;
  /** Any number of decimals: a text */
  any: string;
  local: string;
  time: string;
  maybe: string | null;
  left?: string;
  either?: string | null;
  days: string[];
  byName: { [key: string]: string };
  dayOrNumber: string | number;
  dayOrText: string;
  span: [string, string | null];
}

export interface EitherInputA {
  kind: 'a';
  n: number;
}

export interface EitherInputB {
  kind: 'b';
  s: string;
}

export interface EitherOutputA {
  kind: 'a';
  n: number;
}

export interface EitherOutputB {
  kind: 'b';
  s: string;
}

export interface KeywordsInput {
  list: List;
  blob: BlobType;
  signs: Type;
  lower: ShopLineItem;
  function: KeywordsInputFunction;
}

export interface KeywordsInputFunction {
  self: number;
}

export interface List {
  class: number;
}

/** An amount of money */
export interface Money {
  cents: number;
  currency: 'EUR' | 'USD';
}

/** An amount of money */
export interface MoneyInput {
  cents: number;
  /** @default "EUR" */
  currency?: 'EUR' | 'USD';
}

export interface NamesInput {
  '0': number;
  'vat-id': number;
  vatId: number;
  'vat id': number;
  first_name: number;
  class: number;
  this: number;
  data: number;
  '': number;
  '>=': number;
  'straße': number;
  'it\'s': number;
  _SERVER: number;
  GLOBALS: number;
  'm²': NamesInputM;
  'Ⅷ': NamesInputⅧ;
  _?: number;
  'two\nlines': NamesInputTwoLines;
}

export interface NamesInputM {
  a: number;
}

export interface NamesInputTwoLines {
  a: number;
}

export interface NamesInputⅧ {
  a: 'm²' | 'm' | '²';
}

export interface NamesOutput {
  '0': number;
  'vat-id': number;
  vatId: number;
  'vat id': number;
  first_name: number;
  class: number;
  this: number;
  data: number;
  '': number;
  '>=': number;
  'straße': number;
  'it\'s': number;
  _SERVER: number;
  GLOBALS: number;
  'm²': NamesOutputM;
  'Ⅷ': NamesOutputⅧ;
  _?: number;
  'two\nlines': NamesOutputTwoLines;
}

export interface NamesOutputM {
  a: number;
}

export interface NamesOutputTwoLines {
  a: number;
}

export interface NamesOutputⅧ {
  a: 'm²' | 'm' | '²';
}

export interface NumberedInput {
  '0': number;
  '1'?: number;
}

export interface NumberedOutput {
  '0': number;
  '1'?: number;
}

export interface OrderErrorSoldOut {
  sku: Sku;
  price: Money;
}

export interface OrderInput {
  sku: Sku;
  size: Size;
  price: MoneyInput;
  others: readonly Sku[];
  discount?: MoneyInput;
}

export interface OrderOutput {
  total: Money;
  sizes: Size[];
}

export interface PresenceInput {
  last: string;
  optional?: string;
  nullable: string | null;
  nullish?: string | null;
  nullishPoint?: PresenceInputNullishPoint | null;
  optionalPoint?: PresenceInputOptionalPoint;
  /** @default "it's \\ $5" */
  text?: string;
  /** @default 3 */
  maybe?: number | null;
  /** @default null */
  none?: number | null;
  /** @default "left" */
  choice?: 'left' | 'right';
  /** @default ["a","b"] */
  list?: readonly string[];
  /** @default ["u"] */
  choices?: readonly ('u' | 'd')[];
  /** @default {} */
  map?: { [key: string]: number };
  /** @default "2026-01-31" */
  day?: string;
  /** @default {"x":1,"y":2} */
  point?: PresenceInputPoint;
  /** @default 7 */
  pre?: number;
}

export interface PresenceInputNullishPoint {
  /** @default 0 */
  x?: number;
  /** @default 0 */
  y?: number;
}

export interface PresenceInputOptionalPoint {
  /** @default 0 */
  x?: number;
  /** @default 0 */
  y?: number;
}

export interface PresenceInputPoint {
  /** @default 0 */
  x?: number;
  /** @default 0 */
  y?: number;
}

export interface PresenceOutput {
  last: string;
  optional?: string;
  nullable: string | null;
  nullish?: string | null;
  nullishPoint?: PresenceOutputNullishPoint | null;
  optionalPoint?: PresenceOutputOptionalPoint;
  text: string;
  maybe: number | null;
  none: number | null;
  choice: 'left' | 'right';
  list: string[];
  choices: ('u' | 'd')[];
  map: { [key: string]: number };
  day: string;
  point: PresenceOutputPoint;
  pre: number;
}

export interface PresenceOutputNullishPoint {
  x: number;
  y: number;
}

export interface PresenceOutputOptionalPoint {
  x: number;
  y: number;
}

export interface PresenceOutputPoint {
  x: number;
  y: number;
}

export interface RecursiveInput {
  tree: RecursiveInputTree;
  chain?: RecursiveInputChain;
  expression: RecursiveInputExpression;
}

export interface RecursiveInputChain {
  name: string;
  next: RecursiveInputChain | null;
  other?: RecursiveInputChain;
}

export type RecursiveInputExpression = RecursiveInputExpressionNumber | RecursiveInputExpressionSum;

export interface RecursiveInputExpressionNumber {
  op: 'number';
  value: number;
}

export interface RecursiveInputExpressionSum {
  op: 'sum';
  of: readonly RecursiveInputExpression[];
}

export interface RecursiveInputTree {
  value: number;
  children: readonly RecursiveInputTree[];
}

export interface RecursiveOutput {
  value: number;
  children: RecursiveOutput[];
}

export interface ScalarsInput {
  text: string;
  /** Not empty */
  name: string;
  mail?: string;
  count: number;
  percent: number;
  /** Above 0; ends no comment: * / */
  positive: number;
  /** @deprecated */
  small: number;
  amount: number;
  share: number;
  flag: boolean;
  nothing: null;
  anything: unknown;
  kind: 'scalar';
  version: 2;
  mixture: 'auto' | 0 | true | null;
}

export interface ScalarsOutput {
  text: string;
  /** Not empty */
  name: string;
  mail?: string;
  count: number;
  percent: number;
  /** Above 0; ends no comment: * / */
  positive: number;
  /** @deprecated */
  small: number;
  amount: number;
  share: number;
  flag: boolean;
  nothing: null;
  anything: unknown;
  kind: 'scalar';
  version: 2;
  mixture: 'auto' | 0 | true | null;
}

export interface ShopInput {
  year?: number;
}

export interface ShopLineItem {
  a: number;
}

export type Size = 'S' | 'M' | 'L';

export type Sku = string;

export interface Type {
  n: number;
}

export interface UnionsInput {
  shape: UnionsInputShapeCircle | UnionsInputShapeSquare;
  maybeShape: UnionsInputMaybeShapeCircle | UnionsInputMaybeShapeSquare | null;
  optionalShape?: UnionsInputOptionalShapeCircle | UnionsInputOptionalShapeSquare;
  shapes: readonly (UnionsInputShapesItemCircle | UnionsInputShapesItemSquare)[];
  shapeByName: { [key: string]: UnionsInputShapeByNameValueCircle | UnionsInputShapeByNameValueSquare };
  outcome: UnionsInputOutcomeTrue | UnionsInputOutcomeFalse;
  version: UnionsInputVersion1 | UnionsInputVersion2;
  scalar: string | number | boolean;
  nullableScalar: string | number | null;
  textOrTexts: string | readonly string[];
  itemOrItems: UnionsInputItemOrItemsOption1 | readonly UnionsInputItemOrItemsOption2Item[];
  untold: UnionsInputUntoldOption1 | UnionsInputUntoldOption2 | UnionsInputUntoldOption3 | string;
  either: UnionsInputEitherOption1 | UnionsInputEitherOption2;
  choiceOrNumber: 'auto' | 'none' | number;
  listOrMap: readonly number[] | { [key: string]: number };
  daysOrInts: readonly string[] | readonly number[];
  daysOrIntsByName: { [key: string]: string } | { [key: string]: number };
  dayAndIntOrDays: readonly [string, number] | readonly string[];
  daysOrMoments: readonly string[];
  daysOrTextsOrItems: readonly string[] | readonly (readonly string[])[] | readonly UnionsInputDaysOrTextsOrItemsOption3Item[];
  intsOrTexts: readonly number[] | readonly UnionsInputIntsOrTextsOption2Item[] | readonly string[];
}

export interface UnionsInputDaysOrTextsOrItemsOption3Item {
  shape: 'circle';
  radius: number;
}

export interface UnionsInputEitherOption1 {
  left: number;
}

export interface UnionsInputEitherOption2 {
  right: number;
}

export interface UnionsInputIntsOrTextsOption2Item {
  shape: 'circle';
  radius: number;
}

export interface UnionsInputItemOrItemsOption1 {
  shape: 'circle';
  radius: number;
}

export interface UnionsInputItemOrItemsOption2Item {
  shape: 'circle';
  radius: number;
}

export interface UnionsInputMaybeShapeCircle {
  shape: 'circle';
  radius: number;
}

export interface UnionsInputMaybeShapeSquare {
  shape: 'square' | 'tile';
  side: number;
  label?: string;
}

export interface UnionsInputOptionalShapeCircle {
  shape: 'circle';
  radius: number;
}

export interface UnionsInputOptionalShapeSquare {
  shape: 'square' | 'tile';
  side: number;
  label?: string;
}

export interface UnionsInputOutcomeFalse {
  ok: false;
  reason: string;
}

export interface UnionsInputOutcomeTrue {
  ok: true;
  value: number;
}

export interface UnionsInputShapeByNameValueCircle {
  shape: 'circle';
  radius: number;
}

export interface UnionsInputShapeByNameValueSquare {
  shape: 'square' | 'tile';
  side: number;
  label?: string;
}

export interface UnionsInputShapeCircle {
  shape: 'circle';
  radius: number;
}

export interface UnionsInputShapeSquare {
  shape: 'square' | 'tile';
  side: number;
  label?: string;
}

export interface UnionsInputShapesItemCircle {
  shape: 'circle';
  radius: number;
}

export interface UnionsInputShapesItemSquare {
  shape: 'square' | 'tile';
  side: number;
  label?: string;
}

export interface UnionsInputUntoldOption1 {
  a: number;
}

export interface UnionsInputUntoldOption2 {
  a: string;
}

export interface UnionsInputUntoldOption3 {
  a: string;
  b?: number;
  c: readonly UnionsInputUntoldOption3CItem[];
}

export interface UnionsInputUntoldOption3CItem {
  shape: 'circle';
  radius: number;
}

export interface UnionsInputVersion1 {
  v: 1;
  a: number;
}

export interface UnionsInputVersion2 {
  v: 2;
  b: number;
}

export interface UnionsOutput {
  shape: UnionsOutputShapeCircle | UnionsOutputShapeSquare;
  maybeShape: UnionsOutputMaybeShapeCircle | UnionsOutputMaybeShapeSquare | null;
  optionalShape?: UnionsOutputOptionalShapeCircle | UnionsOutputOptionalShapeSquare;
  shapes: (UnionsOutputShapesItemCircle | UnionsOutputShapesItemSquare)[];
  shapeByName: { [key: string]: UnionsOutputShapeByNameValueCircle | UnionsOutputShapeByNameValueSquare };
  outcome: UnionsOutputOutcomeTrue | UnionsOutputOutcomeFalse;
  version: UnionsOutputVersion1 | UnionsOutputVersion2;
  scalar: string | number | boolean;
  nullableScalar: string | number | null;
  textOrTexts: string | string[];
  itemOrItems: UnionsOutputItemOrItemsOption1 | UnionsOutputItemOrItemsOption2Item[];
  untold: UnionsOutputUntoldOption1 | UnionsOutputUntoldOption2 | UnionsOutputUntoldOption3 | string;
  either: UnionsOutputEitherOption1 | UnionsOutputEitherOption2;
  choiceOrNumber: 'auto' | 'none' | number;
  listOrMap: number[] | { [key: string]: number };
  daysOrInts: string[] | number[];
  daysOrIntsByName: { [key: string]: string } | { [key: string]: number };
  dayAndIntOrDays: [string, number] | string[];
  daysOrMoments: string[];
  daysOrTextsOrItems: string[] | string[][] | UnionsOutputDaysOrTextsOrItemsOption3Item[];
  intsOrTexts: number[] | UnionsOutputIntsOrTextsOption2Item[] | string[];
}

export interface UnionsOutputDaysOrTextsOrItemsOption3Item {
  shape: 'circle';
  radius: number;
}

export interface UnionsOutputEitherOption1 {
  left: number;
}

export interface UnionsOutputEitherOption2 {
  right: number;
}

export interface UnionsOutputIntsOrTextsOption2Item {
  shape: 'circle';
  radius: number;
}

export interface UnionsOutputItemOrItemsOption1 {
  shape: 'circle';
  radius: number;
}

export interface UnionsOutputItemOrItemsOption2Item {
  shape: 'circle';
  radius: number;
}

export interface UnionsOutputMaybeShapeCircle {
  shape: 'circle';
  radius: number;
}

export interface UnionsOutputMaybeShapeSquare {
  shape: 'square' | 'tile';
  side: number;
  label?: string;
}

export interface UnionsOutputOptionalShapeCircle {
  shape: 'circle';
  radius: number;
}

export interface UnionsOutputOptionalShapeSquare {
  shape: 'square' | 'tile';
  side: number;
  label?: string;
}

export interface UnionsOutputOutcomeFalse {
  ok: false;
  reason: string;
}

export interface UnionsOutputOutcomeTrue {
  ok: true;
  value: number;
}

export interface UnionsOutputShapeByNameValueCircle {
  shape: 'circle';
  radius: number;
}

export interface UnionsOutputShapeByNameValueSquare {
  shape: 'square' | 'tile';
  side: number;
  label?: string;
}

export interface UnionsOutputShapeCircle {
  shape: 'circle';
  radius: number;
}

export interface UnionsOutputShapeSquare {
  shape: 'square' | 'tile';
  side: number;
  label?: string;
}

export interface UnionsOutputShapesItemCircle {
  shape: 'circle';
  radius: number;
}

export interface UnionsOutputShapesItemSquare {
  shape: 'square' | 'tile';
  side: number;
  label?: string;
}

export interface UnionsOutputUntoldOption1 {
  a: number;
}

export interface UnionsOutputUntoldOption2 {
  a: string;
}

export interface UnionsOutputUntoldOption3 {
  a: string;
  b?: number;
  c: UnionsOutputUntoldOption3CItem[];
}

export interface UnionsOutputUntoldOption3CItem {
  shape: 'circle';
  radius: number;
}

export interface UnionsOutputVersion1 {
  v: 1;
  a: number;
}

export interface UnionsOutputVersion2 {
  v: 2;
  b: number;
}

export interface UploadInput {
  title: string;
  main: Blob;
  more: readonly Blob[];
  extra?: Blob;
  /** @default "draft" */
  kind?: 'draft' | 'final';
  sizes?: readonly ('s' | 'l')[];
  labels?: { [key: string]: number };
}

export interface WatchErrorNoSuchLog {
  name: string;
}

export interface WatchInput {}

export interface WatchItem {
  at: string;
  line: string;
}
