<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Calls the functions of the project: `new FunctionsClient($call->client())` in a handler, `Client::connect(…)` elsewhere. */
final class FunctionsClient
{
    public function __construct(private readonly \FpmGateway\Client\Client $client)
    {
    }

    /**
     * Render an invoice as PDF
     *
     * VAT is computed once for each rate, on the sum of its lines, and rounded half up to a cent.
     *
     * @throws \FpmGateway\Client\CallFailed no-lines (its data: CreatePdfErrorNoLines)
     */
    public function createPdf(CreatePdfInput $input, ?int $timeoutMs = null): \FpmGateway\Binary
    {
        return $this->client->invoke('create-pdf', $input, timeoutMs: $timeoutMs, idempotent: true);
    }

    /**
     * Say hello
     *
     * @throws \FpmGateway\Client\CallFailed
     */
    public function echo(EchoInput $input, ?int $timeoutMs = null): EchoOutput
    {
        $output = $this->client->invoke('echo', $input, timeoutMs: $timeoutMs, idempotent: true);

        return EchoOutput::fromArray($output);
    }

    /**
     * Say hello, from a worker that is bootstrapped once
     *
     * @throws \FpmGateway\Client\CallFailed
     */
    public function echoResident(EchoResidentInput $input, ?int $timeoutMs = null): EchoResidentOutput
    {
        $output = $this->client->invoke('echo-resident', $input, timeoutMs: $timeoutMs, idempotent: true);

        return EchoResidentOutput::fromArray($output);
    }

    /**
     * The days of a period as CSV
     *
     * One row for each day: date, weekday, ISO week, day of the year. Written while it is read: a thousand years need no more memory than a week.
     *
     * @return \Generator<int, string>
     * @throws \FpmGateway\Client\CallFailed
     */
    public function exportCsv(ExportCsvInput $input, ?int $timeoutMs = null): \Generator
    {
        return $this->client->stream('export-csv', $input, timeoutMs: $timeoutMs);
    }

    /**
     * A contact form: an ordinary PHP script
     *
     * Open it in a browser. GET shows the form; POST checks it, thanks by a redirect and remembers the name.
     *
     * @throws \FpmGateway\Client\CallFailed
     */
    public function legacyForm(LegacyFormInput $input = new LegacyFormInput(), ?int $timeoutMs = null): \FpmGateway\Binary
    {
        return $this->client->invoke('legacy-form', $input, timeoutMs: $timeoutMs);
    }

    /**
     * What each of several baskets costs
     *
     * It only waits for other calls, so that one worker holds hundreds of them: see docs/fibers.md.
     *
     * @throws \FpmGateway\Client\CallFailed
     */
    public function quoteBaskets(QuoteBasketsInput $input, ?int $timeoutMs = null): QuoteBasketsOutput
    {
        $output = $this->client->invoke('quote-baskets', $input, timeoutMs: $timeoutMs, idempotent: true);

        return QuoteBasketsOutput::fromArray($output);
    }

    /**
     * Resize and convert an image
     *
     * Reads JPEG, PNG, GIF and WebP; of an animation, the first frame (animated WebP is refused).
     * `inside` keeps the whole image within the limits and never enlarges it.
     * `cover` fills width × height, enlarging and cutting the edges as needed; with one side it is `inside`.
     *
     * @throws \FpmGateway\Client\CallFailed not-an-image (its data: ResizeImageErrorNotAnImage), image-too-large (its data: ResizeImageErrorImageTooLarge)
     */
    public function resizeImage(ResizeImageInput $input, ?int $timeoutMs = null): \FpmGateway\Binary
    {
        return $this->client->invoke('resize-image', $input, timeoutMs: $timeoutMs, idempotent: true);
    }

    /**
     * What a basket costs
     *
     * An application with a container, configuration files and a database: see docs/bootstrap.md.
     *
     * @throws \FpmGateway\Client\CallFailed unknown-sku (its data: ShopQuoteErrorUnknownSku)
     */
    public function shopQuote(ShopQuoteInput $input, ?int $timeoutMs = null): ShopQuoteOutput
    {
        $output = $this->client->invoke('shop-quote', $input, timeoutMs: $timeoutMs, idempotent: true);

        return ShopQuoteOutput::fromArray($output);
    }

    /**
     * Keep a worker waiting
     *
     * For trying timeouts, queues and cancellation: more than 5,000 ms ends as a timeout.
     *
     * @throws \FpmGateway\Client\CallFailed
     */
    public function sleep(SleepInput $input, ?int $timeoutMs = null): SleepOutput
    {
        $output = $this->client->invoke('sleep', $input, timeoutMs: $timeoutMs);

        return SleepOutput::fromArray($output);
    }

    /**
     * Follow a log file
     *
     * The last lines there are, then each new one as it is written, until the time limit or until the reader leaves.
     * The folder is LOG_DIR in the environment of its pool. A log that is rotated is followed into the new file.
     *
     * @return \Generator<int, TailLogItem>
     * @throws \FpmGateway\Client\CallFailed no-such-log (its data: TailLogErrorNoSuchLog)
     */
    public function tailLog(TailLogInput $input, ?int $timeoutMs = null): \Generator
    {
        foreach ($this->client->stream('tail-log', $input, timeoutMs: $timeoutMs) as $item) {
            yield TailLogItem::fromArray($item);
        }
    }

    /**
     * Check a profile picture
     *
     * Tells what the picture is; keeps nothing. A picture that cannot be decoded to its end is refused.
     *
     * @throws \FpmGateway\Client\CallFailed broken-picture (its data: UploadAvatarErrorBrokenPicture), picture-too-small (its data: UploadAvatarErrorPictureTooSmall), picture-too-large (its data: UploadAvatarErrorPictureTooLarge)
     */
    public function uploadAvatar(UploadAvatarInput $input, ?int $timeoutMs = null): UploadAvatarOutput
    {
        $output = $this->client->invoke('upload-avatar', self::withFiles($input, ['avatar' => true]), timeoutMs: $timeoutMs, idempotent: true);

        return UploadAvatarOutput::fromArray($output);
    }

    /**
     * Count characters, words and sentences of a text
     *
     * Characters are Unicode code points: an accent or a skin tone added to another one counts for itself.
     * Each Han, Hiragana and Katakana character is a word, because no spaces separate words there.
     * A blank line ends a sentence; so does an abbreviation such as "Mr.".
     *
     * @throws \FpmGateway\Client\CallFailed no-words (its data: WordCountErrorNoWords)
     */
    public function wordCount(WordCountInput $input, ?int $timeoutMs = null): WordCountOutput
    {
        $output = $this->client->invoke('word-count', $input, timeoutMs: $timeoutMs, idempotent: true);

        return WordCountOutput::fromArray($output);
    }

    /**
     * @param array<string, true> $names of members that are files, or lists of files
     * @return array<string, mixed>
     */
    private static function withFiles(\JsonSerializable $input, array $names): array
    {
        $data = (array) $input->jsonSerialize();
        $files = array_intersect_key($data, $names);
        $others = json_encode((object) array_diff_key($data, $names), JSON_THROW_ON_ERROR);

        return $files + (array) json_decode($others, false, 512, JSON_THROW_ON_ERROR);
    }
}
