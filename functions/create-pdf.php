<?php

declare(strict_types=1);

use FpmGateway\Binary;
use FpmGateway\Call;
use FpmGateway\Failure;

/**
 * @phpstan-type Party array{name: string, address: list<string>, vatId?: string}
 * @phpstan-type Line array{description: string, quantity: int|float, unitPriceCents: int, vatPercent: int|float}
 *
 * @param array{number: string, issueDate: string, dueDate: string, seller: Party, buyer: Party, lines: list<Line>,
 *     currency: string, notes?: string} $input
 */
return static function (array $input, Call $call): Binary {
    if ($input['lines'] === []) {
        throw new Failure('no-lines', ['number' => $input['number']]);
    }

    // TCPDF is often older than PHP: hide its deprecations, and only while it runs.
    $reporting = error_reporting();
    error_reporting($reporting & ~(E_DEPRECATED | E_NOTICE));

    try {
        // Exceptions instead of die(), nothing from /etc, no folder to write to, and no font but those used below.
        defined('K_TCPDF_EXTERNAL_CONFIG') || define('K_TCPDF_EXTERNAL_CONFIG', true);
        defined('K_TCPDF_THROW_EXCEPTION_ERROR') || define('K_TCPDF_THROW_EXCEPTION_ERROR', true);
        defined('K_PATH_CACHE') || define('K_PATH_CACHE', sys_get_temp_dir() . '/');
        defined('PDF_FONT_NAME_MAIN') || define('PDF_FONT_NAME_MAIN', 'dejavusanscondensed');
        require_once 'tcpdf/tcpdf.php';

        // A class without a name needs no file of its own, and is made only now, when its parent is known.
        $pdf = new class ($input) extends TCPDF {
            private const LEFT = 20.0;
            private const RIGHT = 190.0;
            private const BOTTOM = 270.0;
            private const WIDTH = self::RIGHT - self::LEFT;

            private const INK = [24, 33, 52];
            private const GREY = [108, 117, 132];
            private const HAIRLINE = [221, 226, 232];
            private const ACCENT = [14, 99, 105];
            private const TINT = [241, 246, 246];

            /** Left edge, width and alignment of the table's columns; between them lies a gap. */
            private const COLUMNS = [
                'Description' => [20.0, 82.0, 'L'],
                'Quantity' => [106.0, 17.0, 'R'],
                'Unit price' => [127.0, 23.0, 'R'],
                'VAT' => [153.0, 11.0, 'R'],
                'Amount' => [166.0, 24.0, 'R'],
            ];

            private const SYMBOLS = ['EUR' => '€', 'GBP' => '£', 'USD' => '$'];

            /** @param array<string, mixed> $invoice */
            public function __construct(private array $invoice)
            {
                parent::__construct('P', 'mm', 'A4');
                $this->tcpdflink = false;
                $this->setPrintHeader(false);
                $this->setPrintFooter(false);
                $this->setMargins(self::LEFT, 26.0, 210.0 - self::RIGHT);
                $this->setAutoPageBreak(false, 297.0 - self::BOTTOM);
                $this->setCellPadding(0);
                $this->setCellHeightRatio(1.4);
                $this->setFontSubsetting(true);
                $this->setTitle('Invoice ' . $invoice['number']);
                $this->setAuthor($invoice['seller']['name']);
                $this->setCreator('fpm-gateway');
            }

            public function render(): string
            {
                $totals = $this->totals();
                $this->AddPage();
                $y = $this->letterhead();
                $y = $this->summary($y + 12, $totals['due']);
                $y = $this->table($y + 12, $totals['amounts']);
                $y = $this->totalsBlock($y + 5, $totals);
                $this->notes($y + 12);
                $this->footers();

                return $this->Output('', 'S');
            }

            /**
             * Each line is rounded half up to a cent. VAT is rounded once for each rate, on the sum of its lines, as
             * EN 16931 asks: rounded on each line, it would add up to some other total. All in integers, because
             * the error of a float has no place on an invoice.
             *
             * @return array{amounts: list<int>, net: int, vat: array<int, array{base: int, tax: int}>, due: int}
             *     cents; `vat` by rate, in hundredths of a percent
             */
            private function totals(): array
            {
                $amounts = [];
                $bases = [];
                foreach ($this->invoice['lines'] as $line) {
                    $thousandths = (int) round($line['quantity'] * 1000);
                    $rate = (int) round($line['vatPercent'] * 100);
                    $amounts[] = $amount = self::divide($thousandths * $line['unitPriceCents'], 1000);
                    $bases[$rate] = ($bases[$rate] ?? 0) + $amount;
                }
                krsort($bases);
                $vat = [];
                foreach ($bases as $rate => $base) {
                    $vat[$rate] = ['base' => $base, 'tax' => self::divide($base * $rate, 10_000)];
                }
                $net = array_sum($amounts);
                $due = $net + array_sum(array_column($vat, 'tax'));

                return ['amounts' => $amounts, 'net' => $net, 'vat' => $vat, 'due' => $due];
            }

            /** Half up, away from zero: a credit note mirrors its invoice to the cent. */
            private static function divide(int $dividend, int $divisor): int
            {
                return ($dividend <=> 0) * intdiv(abs($dividend) + intdiv($divisor, 2), $divisor);
            }

            private function letterhead(): float
            {
                $this->fill(0, 0, 210, 2.5, self::ACCENT);
                $this->put('Invoice', 120, 13.5, 70, 30, self::INK, '', 'R', 'dejavusansextralight');
                $right = $this->put($this->invoice['number'], 120, 30, 70, 10, self::ACCENT, 'B', 'R');
                $left = $this->party($this->invoice['seller'], 18, 90, 13);

                return max($left, $right);
            }

            private function summary(float $y, int $due): float
            {
                $this->label('Billed to', self::LEFT, $y);
                $bottom = $this->party($this->invoice['buyer'], $y + 6, 80, 11);

                $this->fill(118, $y - 4, 72, 34, self::TINT);
                $this->fill(118, $y - 4, 1, 34, self::ACCENT);
                $this->label('Amount due', 125, $y + 0.5);
                $this->one($this->money($due), 125, $y + 4.5, 60, 18, self::INK, 'B', 'L');
                $this->label('Issued', 125, $y + 16.5);
                $this->one(self::date($this->invoice['issueDate']), 125, $y + 20.5, 28, 8.5, self::INK, '', 'L');
                $this->label('Due', 157, $y + 16.5);
                $this->one(self::date($this->invoice['dueDate']), 157, $y + 20.5, 28, 8.5, self::INK, '', 'L');

                return max($bottom, $y + 30);
            }

            /** @param array{name: string, address: list<string>, vatId?: string} $party */
            private function party(array $party, float $y, float $width, float $size): float
            {
                $y = 1.0 + $this->put($party['name'], self::LEFT, $y, $width, $size, self::INK, 'B');
                foreach ($party['address'] as $line) {
                    $y = $this->put($line, self::LEFT, $y, $width, 8.5, self::GREY);
                }

                return isset($party['vatId'])
                    ? $this->put('VAT ID ' . $party['vatId'], self::LEFT, $y, $width, 8.5, self::GREY)
                    : $y;
            }

            /** @param list<int> $amounts */
            private function table(float $y, array $amounts): float
            {
                [$left, $width] = self::COLUMNS['Description'];
                foreach ($this->invoice['lines'] as $index => $line) {
                    // Spaces only: a description of empty lines would be higher than a page.
                    $description = (string) preg_replace('/\s+/u', ' ', $line['description']);
                    $this->setFont($this->face($description), '', 9);
                    $height = $this->getStringHeight($width, $description) + ($index === 0 ? 12 : 6);
                    $full = $y + $height > self::BOTTOM;
                    if ($full || $index === 0) {
                        $y = $this->tableHead($full ? $this->nextPage() : $y);
                    }
                    $y += 2.7;
                    $bottom = $this->put($description, $left, $y, $width, 9, self::INK);
                    $cells = [
                        'Quantity' => self::decimal($line['quantity']),
                        'Unit price' => self::amount($line['unitPriceCents']),
                        'VAT' => self::decimal($line['vatPercent']) . '%',
                        'Amount' => self::amount($amounts[$index]),
                    ];
                    foreach ($cells as $column => $text) {
                        [$x, $cellWidth, $align] = self::COLUMNS[$column];
                        $color = $column === 'Amount' ? self::INK : self::GREY;
                        $this->one($text, $x, $y, $cellWidth, 9, $color, '', $align);
                    }
                    $y = $bottom + 2.7;
                    $this->fill(self::LEFT, $y, self::WIDTH, 0.15, self::HAIRLINE);
                }

                return $y;
            }

            private function tableHead(float $y): float
            {
                foreach (self::COLUMNS as $title => [$x, $width, $align]) {
                    $this->label($title, $x, $y, $width, $align);
                }
                $this->fill(self::LEFT, $y + 5.5, self::WIDTH, 0.4, self::INK);

                return $y + 5.9;
            }

            /** @param array{net: int, vat: array<int, array{base: int, tax: int}>, due: int} $totals */
            private function totalsBlock(float $y, array $totals): float
            {
                $rows = [['Subtotal', self::amount($totals['net'])]];
                foreach ($totals['vat'] as $rate => ['base' => $base, 'tax' => $tax]) {
                    $name = sprintf('VAT %s%% on %s', self::decimal($rate / 100), self::amount($base));
                    $rows[] = [$name, self::amount($tax)];
                }
                // The total belongs under what it adds up, unless there are more rates than a page can hold.
                $height = 6.2 * count($rows) + 14;
                $y = $y + $height > self::BOTTOM ? $this->nextPage() : $y;
                foreach ($rows as [$name, $amount]) {
                    $y = $y + 20 > self::BOTTOM ? $this->nextPage() : $y;
                    $this->one($name, 110, $y, 50, 9, self::GREY, '', 'L');
                    $this->one($amount, 162, $y, 28, 9, self::INK, '', 'R');
                    $y += 6.2;
                }
                $this->fill(110, $y + 1.2, 80, 0.4, self::INK);
                $this->one('Total due', 110, $y + 4.6, 26, 11, self::INK, 'B', 'L');
                $this->one($this->money($totals['due']), 137, $y + 4, 53, 13, self::ACCENT, 'B', 'R');

                return $y + 11;
            }

            private function notes(float $y): void
            {
                $notes = trim($this->invoice['notes'] ?? '');
                if ($notes === '') {
                    return;
                }
                $y = $y + 20 > self::BOTTOM ? $this->nextPage() : $y;
                $this->label('Notes', self::LEFT, $y);
                $this->setAutoPageBreak(true, 297.0 - self::BOTTOM);
                $this->put($notes, self::LEFT, $y + 5, 130, 8.5, self::GREY);
                $this->setAutoPageBreak(false);
            }

            private function nextPage(): float
            {
                $this->AddPage();

                return 26.0;
            }

            /** Last, when the number of pages is known. */
            private function footers(): void
            {
                $pages = $this->getNumPages();
                ['number' => $number, 'seller' => $seller] = $this->invoice;
                for ($page = 1; $page <= $pages; ++$page) {
                    $this->setPage($page);
                    // A page remembers whether the notes had set it to break.
                    $this->setAutoPageBreak(false);
                    if ($page > 1) {
                        $this->one($seller['name'], self::LEFT, 13, 100, 8, self::INK, 'B', 'L');
                        $this->one("Invoice $number", 130, 13, 60, 8, self::GREY, '', 'R');
                    }
                    $this->fill(self::LEFT, 280, self::WIDTH, 0.15, self::HAIRLINE);
                    $this->one($seller['name'], self::LEFT, 282.5, 100, 7.5, self::GREY, '', 'L');
                    $this->one("Page $page of $pages", 150, 282.5, 40, 7.5, self::GREY, '', 'R');
                }
            }

            private function label(string $text, float $x, float $y, float $width = 40, string $align = 'L'): void
            {
                $this->setFontSpacing(0.25);
                $this->one(mb_strtoupper($text), $x, $y, $width, 6.5, self::GREY, '', $align);
                $this->setFontSpacing(0);
            }

            /**
             * Text in as many lines as it needs.
             *
             * @param array{int, int, int} $color
             *
             * @return float where it ends
             */
            private function put(
                string $text,
                float $x,
                float $y,
                float $width,
                float $size,
                array $color,
                string $style = '',
                string $align = 'L',
                ?string $face = null,
            ): float {
                $this->setFont($face ?? $this->face($text), $style, $size);
                $this->setTextColorArray($color);
                $this->MultiCell($width, 0, $text, 0, $align, false, 1, $x, $y);

                return $this->GetY();
            }

            /**
             * Text in one line, made narrower where it would not fit.
             *
             * @param array{int, int, int} $color
             */
            private function one(
                string $text,
                float $x,
                float $y,
                float $width,
                float $size,
                array $color,
                string $style,
                string $align,
            ): void {
                $this->setFont($this->face($text), $style, $size);
                $this->setTextColorArray($color);
                $this->setXY($x, $y);
                $this->Cell($width, 0, $text, 0, 0, $align, false, '', 1);
            }

            /** @param array{int, int, int} $color */
            private function fill(float $x, float $y, float $width, float $height, array $color): void
            {
                $this->Rect($x, $y, $width, $height, 'F', [], $color);
            }

            /** DejaVu has no Chinese, Japanese or Korean; for those, PDF viewers bring fonts of their own. */
            private function face(string $text): string
            {
                return match (true) {
                    preg_match('/\p{Hangul}/u', $text) === 1 => 'cid0kr',
                    preg_match('/\p{Hiragana}|\p{Katakana}/u', $text) === 1 => 'cid0jp',
                    preg_match('/\p{Han}/u', $text) === 1 => 'cid0cs',
                    default => 'dejavusanscondensed',
                };
            }

            private function money(int $cents): string
            {
                $symbol = self::SYMBOLS[$this->invoice['currency']] ?? $this->invoice['currency'] . "\u{A0}";

                return ($cents < 0 ? "\u{2212}" : '') . $symbol . self::amount(abs($cents));
            }

            private static function amount(int $cents): string
            {
                $sign = $cents < 0 ? "\u{2212}" : '';

                return sprintf('%s%s.%02d', $sign, number_format(intdiv(abs($cents), 100)), abs($cents) % 100);
            }

            private static function decimal(int|float $number): string
            {
                return rtrim(rtrim(number_format($number, 3), '0'), '.');
            }

            private static function date(string $iso): string
            {
                return (new DateTimeImmutable($iso))->format('j F Y');
            }
        };

        return new Binary($pdf->render());
    } finally {
        error_reporting($reporting);
    }
};
