<?php

declare(strict_types=1);

namespace FpmGateway\Client;

/**
 * The items of a batch as lines of JSON, made one by one, and the keys of those without a result.
 *
 * @internal
 */
final class BatchItems
{
    /** Items that are there already share a write. */
    private const PIECE_BYTES = 32_768;

    /** @var array<int, array{mixed}> by position; any type may be a key of a generator */
    private array $keys = [];
    private int $count = 0;

    /** @param iterable<mixed, mixed> $items */
    public function __construct(private readonly iterable $items, private readonly ?string $function)
    {
    }

    /** @return \Generator<int, string> */
    public function lines(): \Generator
    {
        $atOnce = is_array($this->items) ? self::PIECE_BYTES : 0;
        $lines = '';
        foreach ($this->items as $key => $item) {
            $lines .= self::line($item, $this->function) . "\n";
            $this->keys[$this->count++] = [$key];
            if (strlen($lines) > $atOnce) {
                yield $lines;
                $lines = '';
            }
        }
        if ($lines !== '') {
            yield $lines;
        }
    }

    /**
     * The key of an item that has its result now. A list of one, for a key may be null.
     *
     * @return array{mixed}|null
     */
    public function take(int $index): ?array
    {
        $key = $this->keys[$index] ?? null;
        unset($this->keys[$index]);

        return $key;
    }

    /** Made so far. */
    public function count(): int
    {
        return $this->count;
    }

    public function missing(): int
    {
        return count($this->keys);
    }

    private static function line(mixed $item, ?string $function): string
    {
        if (!$item instanceof Item) {
            $item = $function !== null ? new Item($function, $item) : throw new \InvalidArgumentException(sprintf('An item of a batch is %s: make it an Item, or name the one function of all inputs.', get_debug_type($item)));
        }
        if ($function !== null && $item->function !== $function) {
            throw new \InvalidArgumentException(sprintf('An item calls %s in a batch of %s: leave out $function to mix them.', $item->function, $function));
        }
        Request::pathOf($item->function);
        $name = $function === null ? sprintf('"function":%s,', json_encode($item->function, JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES)) : '';
        $time = $item->timeoutMs === null ? '' : ",\"timeoutMs\":$item->timeoutMs";

        return sprintf('{%s"input":%s%s}', $name, Input::json($item->function, $item->input), $time);
    }
}
